/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON for programs: an array of objects that is written object by object, so
 * that any number of them needs the memory of one, or one object a line.
 */
#pragma once

#include <json-c/json_object.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum json_mode {
        JSON_OFF = 0,
        JSON_SHORT,
        JSON_PRETTY,
};

/* -EINVAL unless "short" or "pretty". */
int json_mode_from_string(const char *s, enum json_mode *ret);

/*
 * Members are added to *record; should memory run out, *record is dropped and
 * stays NULL, which json_stream_add() reports.
 */
struct json_object *json_record_new(void);
void json_record_text(struct json_object **record, const char *key, const char *value); /* NULL: null */
void json_record_number(struct json_object **record, const char *key, uint64_t value);
void json_record_bool(struct json_object **record, const char *key, bool value);
void json_record_double(struct json_object **record, const char *key, double value);
/* Takes value over. */
void json_record_object(struct json_object **record, const char *key, struct json_object *value);
void json_record_null(struct json_object **record, const char *key);
void json_record_texts(struct json_object **record, const char *key, const char *const *values); /* NULL-terminated; NULL: none */

struct json_stream {
        FILE *stream;
        enum json_mode mode;
        bool lines; /* each object by itself, no array around them */
        uint64_t n;
};

/* Takes the record over. 0, -ENOMEM, or why the stream could not be written. */
int json_stream_add(struct json_stream *s, struct json_object *record);
/* Closes the array; an empty one if there was no object. */
int json_stream_end(struct json_stream *s);
