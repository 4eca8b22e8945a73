/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is read of a libvirt domain's XML, and what is refused.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain.h"
#include "suite.h"

#define NS " xmlns:p=\"" DOMAIN_NAMESPACE "\""
#define DOMAIN(metadata) "<domain type='kvm'><name>vm</name><uuid>u-1</uuid><metadata>" metadata "</metadata></domain>"

static struct domain_error error;

static struct domain *parse(const char *xml) {
        struct domain *d = NULL;
        int r;

        error.text[0] = '\0';
        r = domain_parse(xml, strlen(xml), &d, &error);
        ck_assert_msg(r == 0, "%s: %s", xml, error.text);
        return d;
}

START_TEST(recorded) {
        static char xml[65536];
        char path[512];
        struct domain *d;
        FILE *f;
        size_t n;

        (void) snprintf(path, sizeof(path), "%s/tests/data/libvirt-vm-1.xml", getenv("top_srcdir") ?: ".");
        f = fopen(path, "re");
        ck_assert_ptr_nonnull(f);
        n = fread(xml, 1, sizeof(xml) - 1, f);
        (void) fclose(f);
        ck_assert_uint_gt(n, 0);
        d = parse(xml);
        ck_assert_str_eq(d->name, "vm-1");
        ck_assert_str_eq(d->uuid, "2f1c9b2e-6a63-4d0e-9d5c-0f1f5a3b7c11");
        ck_assert(d->wants_pasids);
        ck_assert_uint_eq(d->count, 3);
        ck_assert_uint_eq(d->min, 16);
        ck_assert_uint_eq(d->max, 255);
        ck_assert_ptr_null(d->private_text);
        ck_assert_uint_eq(d->n_devices, 2);
        ck_assert_str_eq(d->devices[0], "0000:01:00.0");
        ck_assert_str_eq(d->devices[1], "0000:02:00.0");
        ck_assert_ptr_null(d->devices[2]);
        domain_free(d);
}
END_TEST

START_TEST(wanted) {
        struct domain *d;

        d = parse(DOMAIN("<p:reserve" NS "/>"));
        ck_assert(d->wants_pasids);
        ck_assert_uint_eq(d->count, 1);
        ck_assert_uint_eq(d->min, 0);
        ck_assert_uint_eq(d->max, 0);
        ck_assert_uint_eq(d->n_devices, 0);
        domain_free(d);
        d = parse(DOMAIN("<reserve xmlns='" DOMAIN_NAMESPACE "' count='0x10' private='a &amp; b' max='99'><device> 01:00.0\n</device></reserve>"));
        ck_assert_uint_eq(d->count, 16);
        ck_assert_uint_eq(d->min, 1);
        ck_assert_uint_eq(d->max, 99);
        ck_assert_str_eq(d->private_text, "a & b");
        ck_assert_str_eq(d->devices[0], "01:00.0");
        domain_free(d);
        d = parse(DOMAIN("<p:reserve" NS " min='7'><!-- none --></p:reserve>"));
        ck_assert_uint_eq(d->min, 7);
        ck_assert_uint_eq(d->max, 0xfffff);
        domain_free(d);
}
END_TEST

/* Not ours, or not where it counts. */
START_TEST(not_wanted) {
        static const char *const cases[] = {
                "<domain><name>vm</name><uuid>u-1</uuid></domain>",
                DOMAIN(""),
                DOMAIN("<reserve count='x'/>"),
                DOMAIN("<p:reserve xmlns:p='https://pasidd.org/libvirt/2' count='x'/>"),
                DOMAIN("<other:info xmlns:other='urn:x'><p:reserve" NS " count='x'/></other:info>"),
                "<domain><name>vm</name><uuid>u-1</uuid><p:reserve" NS " count='x'/></domain>",
                "<domain><name>vm</name><uuid>u-1</uuid><m:metadata xmlns:m='urn:x'><p:reserve" NS " count='x'/></m:metadata></domain>",
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct domain *d = parse(cases[i]);

                ck_assert_msg(!d->wants_pasids, "%s", cases[i]);
                domain_free(d);
        }
}
END_TEST

START_TEST(refused) {
        static const struct {
                const char *xml, *text;
        } cases[] = {
                { "", "cannot be read" },
                { "<domain>", "cannot be read: line 1" },
                { "no XML", "cannot be read" },
                { DOMAIN("<p:reserve count='1'/>") "<", "cannot be read" },
                { "<network/>", "not the XML of a domain" },
                { "<d:domain xmlns:d='urn:x'/>", "not the XML of a domain" },
                { "<domain><uuid>u</uuid></domain>", "no name" },
                { "<domain><name>vm</name><uuid/></domain>", "no UUID" },
                { DOMAIN("<p:reserve" NS "/><p:reserve" NS "/>"), "two reserve elements" },
                { DOMAIN("<p:pasids" NS "/>"), "\"pasids\"" },
                { DOMAIN("<p:reserve" NS "><p:dev/></p:reserve>"), "\"dev\"" },
                { DOMAIN("<p:reserve" NS "><device>0000:01:00.0</device></p:reserve>"), "\"device\"" },
                { DOMAIN("<p:reserve" NS " cuont='2'/>"), "\"cuont\"" },
                { DOMAIN("<p:reserve" NS " p:count='2'/>"), "\"count\" of the reserve element is not known" },
                { DOMAIN("<p:reserve" NS " count=''/>"), "takes a number" },
                { DOMAIN("<p:reserve" NS " count='two'/>"), "\"two\"" },
                { DOMAIN("<p:reserve" NS " count='-1'/>"), "takes a number" },
                { DOMAIN("<p:reserve" NS " count='0'/>"), "takes 1 to" },
                { DOMAIN("<p:reserve" NS " max='4294967296'/>"), "max of the reserve element" },
                { DOMAIN("<p:reserve" NS " min='99999999999999999999'/>"), "takes a number" },
                { DOMAIN("<p:reserve" NS " min='0x'/>"), "takes a number" },
                { "<!DOCTYPE domain><domain/>", "document type" },
                { "<!DOCTYPE domain SYSTEM 'file:///etc/passwd'><domain/>", "document type" },
                { "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>"
                  "<!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;'>]>" DOMAIN("<p:reserve" NS " private='&d;&d;&d;&d;&d;&d;&d;&d;'/>"),
                  "document type" },
                { "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>" DOMAIN("<p:reserve" NS "><p:device>&x;</p:device></p:reserve>"),
                  "document type" },
                { DOMAIN("&lol;"), "cannot be read" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct domain *d = (struct domain *) 1;

                error.text[0] = '\0';
                ck_assert_msg(domain_parse(cases[i].xml, strlen(cases[i].xml), &d, &error) == -EINVAL, "%s", cases[i].xml);
                ck_assert_msg(strstr(error.text, cases[i].text), "%s: %s", cases[i].xml, error.text);
                ck_assert_msg(!strchr(error.text, '\n'), "%s", error.text);
                ck_assert_ptr_eq(d, (struct domain *) 1);
        }
}
END_TEST

/* Deeper, longer and larger than any domain's. */
START_TEST(enormous) {
        struct domain *d = NULL;
        char *xml = calloc(1, DOMAIN_XML_MAX + 1);
        size_t n = 0;

        ck_assert_ptr_nonnull(xml);
        ck_assert_int_eq(domain_parse(xml, DOMAIN_XML_MAX + 1, &d, &error), -EINVAL);
        ck_assert_ptr_nonnull(strstr(error.text, "more than"));
        for (int i = 0; i < 100000; i++)
                n += (size_t) sprintf(xml + n, "<domain>");
        ck_assert_int_eq(domain_parse(xml, n, &d, &error), -EINVAL);
        ck_assert_ptr_null(d);
        n = (size_t) sprintf(xml, "<domain><name>");
        memset(xml + n, 'x', DOMAIN_XML_MAX - n - 64);
        (void) strcpy(xml + DOMAIN_XML_MAX - 64, "</name><uuid>u</uuid></domain>");
        (void) domain_parse(xml, strlen(xml), &d, &error); /* either way, and no harm done */
        domain_free(d);
        free(xml);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("libvirt-domain");
        TCase *tc = tcase_create("domain");

        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, recorded);
        tcase_add_test(tc, wanted);
        tcase_add_test(tc, not_wanted);
        tcase_add_test(tc, refused);
        tcase_add_test(tc, enormous);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
