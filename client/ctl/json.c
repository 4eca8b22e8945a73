/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects made with json-c, framed into an array as they come. What json-c
 * leaves as it is but a terminal would obey is written as an escape.
 */
#include "json.h"

#include <errno.h>
#include <string.h>

#include "text.h"

#define JSON_INDENT "  "

int json_mode_from_string(const char *s, enum json_mode *ret) {
        if (strcmp(s, "short") == 0)
                *ret = JSON_SHORT;
        else if (strcmp(s, "pretty") == 0)
                *ret = JSON_PRETTY;
        else
                return -EINVAL;
        return 0;
}

struct json_object *json_record_new(void) {
        return json_object_new_object();
}

static void record_drop(struct json_object **record) {
        json_object_put(*record);
        *record = NULL;
}

/* Takes value over; to json-c NULL is the null of JSON, here it is a lack of memory. */
static void record_add(struct json_object **record, const char *key, struct json_object *value) {
        if (!*record) {
                json_object_put(value);
                return;
        }
        if (!value || json_object_object_add(*record, key, value) < 0) {
                json_object_put(value);
                record_drop(record);
        }
}

void json_record_text(struct json_object **record, const char *key, const char *value) {
        if (!value)
                json_record_null(record, key);
        else
                record_add(record, key, json_object_new_string(value));
}

void json_record_number(struct json_object **record, const char *key, uint64_t value) {
        record_add(record, key, json_object_new_uint64(value));
}

void json_record_bool(struct json_object **record, const char *key, bool value) {
        record_add(record, key, json_object_new_boolean(value));
}

void json_record_double(struct json_object **record, const char *key, double value) {
        record_add(record, key, json_object_new_double(value));
}

void json_record_object(struct json_object **record, const char *key, struct json_object *value) {
        record_add(record, key, value);
}

void json_record_null(struct json_object **record, const char *key) {
        if (*record && json_object_object_add(*record, key, NULL) < 0)
                record_drop(record);
}

void json_record_texts(struct json_object **record, const char *key, const char *const *values) {
        struct json_object *array = json_object_new_array();

        for (; array && values && *values; values++) {
                struct json_object *value = json_object_new_string(*values);

                if (!value || json_object_array_add(array, value) < 0) {
                        json_object_put(value);
                        json_object_put(array);
                        array = NULL;
                }
        }
        record_add(record, key, array);
}

/* Only strings hold anything but ASCII and only json-c's layout holds newlines, so both can be replaced in the text. */
static void write_object(const struct json_stream *s, const char *text) {
        const char *indent = s->mode == JSON_PRETTY && !s->lines ? JSON_INDENT : "";

        fputs(indent, s->stream);
        while (*text) {
                size_t plain = 0, n;
                uint32_t c;

                while (text[plain] != '\0' && text[plain] != '\n' && text[plain] != 0x7f && !(text[plain] & 0x80))
                        plain++;
                fwrite(text, 1, plain, s->stream);
                text += plain;
                if (*text == '\0')
                        break;
                n = utf8_decode(text, strlen(text), &c);
                if (*text == '\n')
                        fprintf(s->stream, "\n%s", indent);
                else if (n == 0)
                        fputs("\\ufffd", s->stream);
                else if (text_is_hostile(c) && c <= 0xffff)
                        fprintf(s->stream, "\\u%04x", c);
                else
                        fwrite(text, 1, n, s->stream);
                text += n ?: 1;
        }
}

static int stream_status(const struct json_stream *s) {
        return ferror(s->stream) ? -(errno ?: EIO) : 0;
}

int json_stream_add(struct json_stream *s, struct json_object *record) {
        int flags = JSON_C_TO_STRING_NOSLASHESCAPE;
        const char *text;

        if (s->mode == JSON_PRETTY)
                flags |= JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED;
        text = record ? json_object_to_json_string_ext(record, flags) : NULL;
        if (!text) {
                json_object_put(record);
                return -ENOMEM;
        }
        if (!s->lines)
                fputs(s->n == 0 ? "[" : ",", s->stream);
        if (s->mode == JSON_PRETTY && !s->lines)
                fputc('\n', s->stream);
        write_object(s, text);
        if (s->lines)
                fputc('\n', s->stream);
        s->n++;
        json_object_put(record);
        return stream_status(s);
}

int json_stream_end(struct json_stream *s) {
        if (s->lines)
                return stream_status(s);
        if (s->n == 0)
                fputs("[]\n", s->stream);
        else
                fputs(s->mode == JSON_PRETTY ? "\n]\n" : "]\n", s->stream);
        return stream_status(s);
}
