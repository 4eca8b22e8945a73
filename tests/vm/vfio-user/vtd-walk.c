/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The walk: root, context, PASID directory, PASID table, then a first-stage or
 * a second-stage page table. Section numbers are of "Intel Virtualization
 * Technology for Directed I/O", revision 4.1.
 */
#include "vtd-walk.h"

#define ADDRESS UINT64_C(0x000ffffffffff000) /* 52 bits are what any VT-d has at most */
#define PRESENT UINT64_C(1)

/* 11.4.5, root table address register: translation table mode in bits 11:10 */
#define ROOT_MODE(root) ((root) >> 10 & 3)
#define ROOT_MODE_SCALABLE 1

/* 9.4, scalable-mode context entry */
#define CONTEXT_SIZE 32U
#define CONTEXT_PASID_ENABLE (UINT64_C(1) << 3)
#define CONTEXT_DIRECTORY_BITS(entry) (7U + (unsigned int) ((entry) >> 9 & 7)) /* PDTS: 2^(n+7) entries */

/* 9.6, scalable-mode PASID table entry */
#define PASID_SIZE 64U
#define PASID_PER_TABLE_BITS 6U
#define PASID_TYPE(word0) ((word0) >> 6 & 7)
#define TYPE_FIRST 1
#define TYPE_SECOND 2
#define TYPE_PASS_THROUGH 4
#define SECOND_LEVELS(word0) (2U + (unsigned int) ((word0) >> 2 & 7)) /* AW: 1 is 3 levels, 2 is 4, 3 is 5 */
#define FIRST_LEVELS(word2) (4U + (unsigned int) ((word2) >> 2 & 3))  /* FLPM: 0 is 4 levels, 1 is 5 */
#define LEVELS_MAX 5U

/* 9.7 and 9.8, page table entries */
#define FIRST_WRITE (UINT64_C(1) << 1)
#define FIRST_USER (UINT64_C(1) << 2)
#define SECOND_READ (UINT64_C(1) << 0)
#define SECOND_WRITE (UINT64_C(1) << 1)
#define PAGE_LARGE (UINT64_C(1) << 7)

static enum engine_fault walk_pages(const struct guest_ram *ram, const struct vtd_request *request, bool is_first,
                                 uint64_t table, unsigned int levels, uint64_t iova, uint64_t *ret) {
        uint64_t need;

        if (is_first)
                need = FIRST_USER | (request->is_write ? FIRST_WRITE : 0);
        else
                need = request->is_write ? SECOND_WRITE : SECOND_READ;
        /* An address that is wider than the table is never mapped. */
        if (iova >> (12 + 9 * levels) != 0)
                return ENGINE_FAULT_NO_PAGE;
        for (unsigned int level = levels; level > 0; level--) {
                unsigned int shift = 12 + 9 * (level - 1);
                uint64_t entry, offset;

                if (!guest_ram_read64(ram, table + (iova >> shift & 511) * 8, &entry))
                        return ENGINE_FAULT_NO_PAGE;
                if (is_first ? !(entry & PRESENT) : !(entry & (SECOND_READ | SECOND_WRITE)))
                        return ENGINE_FAULT_NO_PAGE;
                if ((entry & need) != need)
                        return ENGINE_FAULT_NO_RIGHT;
                if (level == 1 || (level <= 3 && (entry & PAGE_LARGE))) {
                        offset = (UINT64_C(1) << shift) - 1;
                        *ret = (entry & ADDRESS & ~offset) | (iova & offset);
                        return ENGINE_FAULT_OK;
                }
                table = entry & ADDRESS;
        }
        return ENGINE_FAULT_NO_PAGE;
}

static enum engine_fault find_pasid_entry(const struct guest_ram *ram, const struct vtd_request *request, uint64_t *ret) {
        unsigned int bus = request->rid >> 8, function = request->rid & 0xff;
        uint32_t pasid = request->is_tagged ? request->pasid : 0; /* RID_PASID is 0 on Linux */
        uint64_t context, entry;

        if (ROOT_MODE(request->root) != ROOT_MODE_SCALABLE)
                return ENGINE_FAULT_NO_ROOT;
        /* 9.1 and 9.2: an entry per bus, of two halves with a table of 128 functions each */
        if (!guest_ram_read64(ram, (request->root & ADDRESS) + bus * 16U + (function & 0x80 ? 8 : 0), &entry) ||
            !(entry & PRESENT))
                return ENGINE_FAULT_NO_ROOT;
        if (!guest_ram_read64(ram, (entry & ADDRESS) + (function & 0x7f) * CONTEXT_SIZE, &context) || !(context & PRESENT))
                return ENGINE_FAULT_NO_CONTEXT;
        if (request->is_tagged && !(context & CONTEXT_PASID_ENABLE))
                return ENGINE_FAULT_NO_TAGGED;
        if (pasid >> (CONTEXT_DIRECTORY_BITS(context) + PASID_PER_TABLE_BITS) != 0)
                return ENGINE_FAULT_NO_PASID;
        if (!guest_ram_read64(ram, (context & ADDRESS) + (pasid >> PASID_PER_TABLE_BITS) * 8, &entry) || !(entry & PRESENT))
                return ENGINE_FAULT_NO_PASID;
        *ret = (entry & ADDRESS) + (pasid & ((1U << PASID_PER_TABLE_BITS) - 1)) * PASID_SIZE;
        return ENGINE_FAULT_OK;
}

enum engine_fault vtd_walk(const struct guest_ram *ram, const struct vtd_request *request, uint64_t iova, uint64_t *ret) {
        uint64_t at, word0, word2;
        enum engine_fault fault;

        fault = find_pasid_entry(ram, request, &at);
        if (fault != ENGINE_FAULT_OK)
                return fault;
        if (!guest_ram_read64(ram, at, &word0) || !guest_ram_read64(ram, at + 16, &word2) || !(word0 & PRESENT))
                return ENGINE_FAULT_NO_PASID;
        switch (PASID_TYPE(word0)) {
        case TYPE_FIRST:
                if (FIRST_LEVELS(word2) > LEVELS_MAX)
                        return ENGINE_FAULT_BAD_PASID;
                return walk_pages(ram, request, true, word2 & ADDRESS, FIRST_LEVELS(word2), iova, ret);
        case TYPE_SECOND:
                if (SECOND_LEVELS(word0) > LEVELS_MAX)
                        return ENGINE_FAULT_BAD_PASID;
                return walk_pages(ram, request, false, word0 & ADDRESS, SECOND_LEVELS(word0), iova, ret);
        case TYPE_PASS_THROUGH:
                *ret = iova;
                return ENGINE_FAULT_OK;
        default:
                return ENGINE_FAULT_BAD_PASID;
        }
}
