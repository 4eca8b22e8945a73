/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The walk through an IOMMU's tables, on tables of one's own: each entry that
 * can stop it, large pages, and entries that point to where there is no memory.
 */
#include <string.h>

#include "../../unit/suite.h"
#include "vtd-walk.h"

/* One page each, in this order from address 0 on; the rest is data. */
enum { ROOT, CONTEXT, DIRECTORY, TABLE, LEVEL5, LEVEL4, LEVEL3, LEVEL2, LEVEL1, DATA, PAGES = 16 };

#define AT(page) ((uint64_t) (page) * 4096)
#define RID (0x05 << 3)
#define PASID 0x1234U
#define IOVA UINT64_C(0x7f1234567000)
#define FIRST UINT64_C(7)  /* present, writeable, user */
#define SECOND UINT64_C(3) /* readable, writeable */

static uint8_t memory[PAGES * 4096];
static const struct guest_ram ram = { memory, sizeof(memory) };

static const struct vtd_request read_request = { AT(ROOT) | 1 << 10, RID, true, PASID, false };
static const struct vtd_request write_request = { AT(ROOT) | 1 << 10, RID, true, PASID, true };

static void set(uint64_t address, uint64_t value) {
        memcpy(memory + address, &value, sizeof(value));
}

static uint64_t index_of(unsigned int level) {
        return (IOVA >> (12 + 9 * (level - 1)) & 511) * 8;
}

#define CONTEXT_AT (AT(CONTEXT) + RID * 32)
#define DIRECTORY_AT (AT(DIRECTORY) + (PASID >> 6) * 8)
#define ENTRY_AT (AT(TABLE) + (PASID & 63) * 64)

/* type: 1 first stage, 2 second stage; rights: of every level */
static void set_tables(unsigned int type, unsigned int levels, uint64_t rights) {
        static const unsigned int pages[] = { 0, LEVEL1, LEVEL2, LEVEL3, LEVEL4, LEVEL5 };

        memset(memory, 0, sizeof(memory));
        set(AT(ROOT), AT(CONTEXT) | 1);
        set(CONTEXT_AT, AT(DIRECTORY) | 2 << 9 | 1 << 3 | 1); /* 512 entries, PASIDs enabled */
        set(DIRECTORY_AT, AT(TABLE) | 1);
        if (type == 1) {
                set(ENTRY_AT, 1 << 6 | 1);
                set(ENTRY_AT + 16, AT(pages[levels]) | (levels - 4) << 2);
        } else
                set(ENTRY_AT, AT(pages[levels]) | 2 << 6 | (levels - 2) << 2 | 1);
        for (unsigned int level = levels; level > 1; level--)
                set(AT(pages[level]) + index_of(level), AT(pages[level - 1]) | rights);
        set(AT(LEVEL1) + index_of(1), AT(DATA) | rights);
}

static void expect(const struct vtd_request *request, uint64_t iova, enum engine_fault wanted, uint64_t physical) {
        uint64_t got = UINT64_MAX;

        ck_assert_int_eq(vtd_walk(&ram, request, iova, &got), wanted);
        if (wanted == ENGINE_FAULT_OK)
                ck_assert_uint_eq(got, physical);
}

START_TEST(walks_both_stages) {
        for (unsigned int levels = 4; levels <= 5; levels++) {
                set_tables(1, levels, FIRST);
                expect(&read_request, IOVA + 0x123, ENGINE_FAULT_OK, AT(DATA) + 0x123);
                expect(&write_request, IOVA, ENGINE_FAULT_OK, AT(DATA));
                set_tables(2, levels, SECOND);
                expect(&read_request, IOVA + 0xfff, ENGINE_FAULT_OK, AT(DATA) + 0xfff);
                expect(&write_request, IOVA, ENGINE_FAULT_OK, AT(DATA));
        }
}
END_TEST

START_TEST(finds_what_is_missing) {
        struct vtd_request request = read_request;

        set_tables(1, 4, FIRST);
        expect(&read_request, IOVA + 0x1000, ENGINE_FAULT_NO_PAGE, 0);
        expect(&read_request, IOVA | UINT64_C(1) << 48, ENGINE_FAULT_NO_PAGE, 0);
        expect(&read_request, UINT64_MAX, ENGINE_FAULT_NO_PAGE, 0);
        request.root = AT(ROOT);
        expect(&request, IOVA, ENGINE_FAULT_NO_ROOT, 0);
        request = read_request;
        request.rid = RID + 1;
        expect(&request, IOVA, ENGINE_FAULT_NO_CONTEXT, 0);
        request.rid = RID | 0x80;
        expect(&request, IOVA, ENGINE_FAULT_NO_ROOT, 0);
        request = read_request;
        request.pasid = PASID + 1;
        expect(&request, IOVA, ENGINE_FAULT_NO_PASID, 0);
        request.pasid = PASID + 64;
        expect(&request, IOVA, ENGINE_FAULT_NO_PASID, 0);
        request.pasid = PASID | 1 << 19;
        expect(&request, IOVA, ENGINE_FAULT_NO_PASID, 0);
        request.is_tagged = false;
        expect(&request, IOVA, ENGINE_FAULT_NO_PASID, 0);
        set(CONTEXT_AT, AT(DIRECTORY) | 2 << 9 | 1);
        expect(&read_request, IOVA, ENGINE_FAULT_NO_TAGGED, 0);
        set_tables(1, 4, FIRST);
        set(ENTRY_AT, 3 << 6 | 1);
        expect(&read_request, IOVA, ENGINE_FAULT_BAD_PASID, 0);
        set_tables(2, 4, SECOND);
        set(ENTRY_AT, AT(LEVEL4) | 2 << 6 | 7 << 2 | 1);
        expect(&read_request, IOVA, ENGINE_FAULT_BAD_PASID, 0);
        memset(memory, 0, sizeof(memory));
        expect(&read_request, IOVA, ENGINE_FAULT_NO_ROOT, 0);
}
END_TEST

START_TEST(obeys_rights_of_each_level) {
        static const unsigned int pages[] = { 0, LEVEL1, LEVEL2, LEVEL3, LEVEL4 };

        for (unsigned int level = 1; level <= 4; level++) {
                uint64_t next = level == 1 ? AT(DATA) : AT(pages[level - 1]);

                set_tables(1, 4, FIRST);
                set(AT(pages[level]) + index_of(level), next | (FIRST & ~2U));
                expect(&read_request, IOVA, ENGINE_FAULT_OK, AT(DATA));
                expect(&write_request, IOVA, ENGINE_FAULT_NO_RIGHT, 0);
                set(AT(pages[level]) + index_of(level), next | (FIRST & ~4U));
                expect(&read_request, IOVA, ENGINE_FAULT_NO_RIGHT, 0);
                set(AT(pages[level]) + index_of(level), next | (FIRST & ~1U));
                expect(&read_request, IOVA, ENGINE_FAULT_NO_PAGE, 0);
                set_tables(2, 4, SECOND);
                set(AT(pages[level]) + index_of(level), next | 1);
                expect(&read_request, IOVA, ENGINE_FAULT_OK, AT(DATA));
                expect(&write_request, IOVA, ENGINE_FAULT_NO_RIGHT, 0);
                set(AT(pages[level]) + index_of(level), next | 2);
                expect(&read_request, IOVA, ENGINE_FAULT_NO_RIGHT, 0);
        }
}
END_TEST

START_TEST(knows_large_pages) {
        set_tables(1, 4, FIRST);
        set(AT(LEVEL2) + index_of(2), 0x40000000 | FIRST | 1 << 7);
        expect(&read_request, IOVA + 5, ENGINE_FAULT_OK, 0x40000000 + (IOVA & 0x1fffff) + 5);
        set_tables(2, 4, SECOND);
        set(AT(LEVEL3) + index_of(3), 0x40000000 | SECOND | 1 << 7);
        expect(&read_request, IOVA, ENGINE_FAULT_OK, 0x40000000 + (IOVA & 0x3fffffff));
}
END_TEST

START_TEST(stays_inside_of_memory) {
        const uint64_t nowhere = UINT64_C(0xffffffffff000);

        set_tables(1, 4, FIRST);
        set(AT(LEVEL4) + index_of(4), nowhere | FIRST);
        expect(&read_request, IOVA, ENGINE_FAULT_NO_PAGE, 0);
        set_tables(1, 4, FIRST);
        set(DIRECTORY_AT, nowhere | 1);
        expect(&read_request, IOVA, ENGINE_FAULT_NO_PASID, 0);
        set_tables(1, 4, FIRST);
        set(CONTEXT_AT, nowhere | 2 << 9 | 1 << 3 | 1);
        expect(&read_request, IOVA, ENGINE_FAULT_NO_PASID, 0);
        set_tables(1, 4, FIRST);
        set(AT(ROOT), nowhere | 1);
        expect(&read_request, IOVA, ENGINE_FAULT_NO_CONTEXT, 0);
        ck_assert_ptr_null(guest_ram_at(&ram, sizeof(memory) - 1, 2));
        ck_assert_ptr_null(guest_ram_at(&ram, UINT64_MAX, 1));
        ck_assert_ptr_nonnull(guest_ram_at(&ram, sizeof(memory) - 2, 2));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("vm-walk");
        TCase *tc = tcase_create("walk");

        tcase_add_test(tc, walks_both_stages);
        tcase_add_test(tc, finds_what_is_missing);
        tcase_add_test(tc, obeys_rights_of_each_level);
        tcase_add_test(tc, knows_large_pages);
        tcase_add_test(tc, stays_inside_of_memory);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
