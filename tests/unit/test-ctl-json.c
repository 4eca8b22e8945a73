/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stream of JSON objects: its frame, its layouts, read back by json-c, and
 * its failures.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal/cleanup.h"
#include "json.h"
#include "suite.h"

static struct json_object *record(const char *name, uint64_t pasid) {
        static const char *const devices[] = { "0000:01:00.0", "0000:01:00.1", NULL };
        struct json_object *o = json_record_new();

        json_record_text(&o, "name", name);
        json_record_number(&o, "pasid", pasid);
        if (pasid == 2) {
                json_record_texts(&o, "devices", devices);
                json_record_texts(&o, "none", NULL);
                json_record_bool(&o, "usable", true);
                json_record_null(&o, "group");
                json_record_text(&o, "cdev", NULL);
        }
        return o;
}

/* The text of n records; the caller frees it. */
static char *stream(enum json_mode mode, bool lines, const char *name, uint64_t n) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        struct json_stream s = { .stream = f, .mode = mode, .lines = lines };

        for (uint64_t i = 1; i <= n; i++)
                ck_assert_int_eq(json_stream_add(&s, record(name, i)), 0);
        ck_assert_int_eq(json_stream_end(&s), 0);
        ck_assert_int_eq(fclose(f), 0);
        return text;
}

START_TEST(test_frame) {
        static const struct {
                enum json_mode mode;
                bool lines;
                uint64_t n;
                const char *text;
        } cases[] = {
                { JSON_SHORT, false, 0, "[]\n" },
                { JSON_PRETTY, false, 0, "[]\n" },
                { JSON_SHORT, true, 0, "" },
                { JSON_SHORT, false, 1, "[{\"name\":\"a/b\",\"pasid\":1}]\n" },
                { JSON_SHORT, true, 1, "{\"name\":\"a/b\",\"pasid\":1}\n" },
                { JSON_PRETTY, false, 1, "[\n  {\n    \"name\": \"a/b\",\n    \"pasid\": 1\n  }\n]\n" },
                { JSON_SHORT, false, 2, "[{\"name\":\"a/b\",\"pasid\":1},{\"name\":\"a/b\",\"pasid\":2,"
                  "\"devices\":[\"0000:01:00.0\",\"0000:01:00.1\"],\"none\":[],\"usable\":true,\"group\":null,\"cdev\":null}]\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = stream(cases[i].mode, cases[i].lines, "a/b", cases[i].n);

                ck_assert_str_eq(text, cases[i].text);
        }
}
END_TEST

/* Both layouts say the same, and names come back as they were. */
START_TEST(test_round_trip) {
        static const char name[] = "q\"\\\n\t\x1b[2J\x7f\xc2\x9b\xe2\x80\xae gr\xc3\xbcn \xf0\x9f\x98\x80";

        for (enum json_mode mode = JSON_SHORT; mode <= JSON_PRETTY; mode++) {
                _cleanup_free_ char *text = stream(mode, false, name, 3);
                struct json_object *array = json_tokener_parse(text), *value;

                ck_assert_ptr_nonnull(array);
                ck_assert_uint_eq(json_object_array_length(array), 3);
                for (size_t i = 0; i < 3; i++) {
                        struct json_object *o = json_object_array_get_idx(array, i);

                        ck_assert(json_object_object_get_ex(o, "name", &value));
                        ck_assert_str_eq(json_object_get_string(value), name);
                        ck_assert(json_object_object_get_ex(o, "pasid", &value));
                        ck_assert_uint_eq(json_object_get_uint64(value), i + 1);
                }
                json_object_put(array);
                /* Nothing that a terminal obeys, or that reorders text. */
                for (const char *p = text; *p; p++)
                        ck_assert((unsigned char) *p >= 0x20 || *p == '\n');
                ck_assert_ptr_null(strchr(text, 0x7f));
                ck_assert_ptr_null(strstr(text, "\xc2\x9b"));
                ck_assert_ptr_null(strstr(text, "\xe2\x80\xae"));
                ck_assert_ptr_nonnull(strstr(text, "\\u202e gr\xc3\xbcn"));
        }
}
END_TEST

START_TEST(test_invalid_utf8) {
        _cleanup_free_ char *text = stream(JSON_SHORT, false, "a\xff" "b", 1);

        ck_assert_str_eq(text, "[{\"name\":\"a\\ufffdb\",\"pasid\":1}]\n");
}
END_TEST

START_TEST(test_failures) {
        FILE *f = fopen("/dev/full", "we");
        struct json_stream s = { .stream = f, .mode = JSON_SHORT };
        int r = 0;

        ck_assert_int_eq(json_stream_add(&s, NULL), -ENOMEM);
        for (int i = 0; i < 100000 && r == 0; i++)
                r = json_stream_add(&s, record("x", 1));
        ck_assert_int_eq(r, -ENOSPC);
        (void) fclose(f);
}
END_TEST

START_TEST(test_mode) {
        enum json_mode mode = JSON_OFF;

        ck_assert_int_eq(json_mode_from_string("short", &mode), 0);
        ck_assert_int_eq(mode, JSON_SHORT);
        ck_assert_int_eq(json_mode_from_string("pretty", &mode), 0);
        ck_assert_int_eq(mode, JSON_PRETTY);
        ck_assert_int_eq(json_mode_from_string("", &mode), -EINVAL);
        ck_assert_int_eq(json_mode_from_string("Short", &mode), -EINVAL);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("ctl-json");
        TCase *t = tcase_create("json");

        tcase_add_test(t, test_frame);
        tcase_add_test(t, test_round_trip);
        tcase_add_test(t, test_invalid_utf8);
        tcase_add_test(t, test_failures);
        tcase_add_test(t, test_mode);
        suite_add_tcase(suite, t);
        return suite_run(suite);
}
