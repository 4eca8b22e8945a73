/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From (requester, PASID, address) to guest physical memory by the tables of
 * an Intel IOMMU in scalable mode. There is no cache, so this tells what the
 * tables say now, and can't catch an invalidation that was left out.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest-ram.h"
#include "registers.h"

#define VTD_PAGE_SIZE UINT64_C(4096)

struct vtd_request {
        uint64_t root;  /* value of the root table address register */
        uint16_t rid;   /* bus << 8 | device << 3 | function */
        bool is_tagged; /* carries a PASID; otherwise it is translated by PASID 0's entry */
        uint32_t pasid;
        bool is_write;
};

/* Translates one address; the result is good up to the end of its 4096-byte page. */
enum engine_fault vtd_walk(const struct guest_ram *ram, const struct vtd_request *request, uint64_t iova, uint64_t *ret);
