/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BAR 0 of the device: a DMA engine that does one transfer at a time. Shared
 * with what drives it in the guest. All registers are little-endian.
 */
#pragma once

#define ENGINE_BAR_SIZE 4096U
#define ENGINE_BUFFER_SIZE 2048U

#define ENGINE_MAGIC_VALUE 0x44495350U /* "PSID" */

enum engine_register {
        ENGINE_MAGIC = 0x00,      /* 32 bits, read only */
        ENGINE_STATUS = 0x04,     /* 32 bits, read only: enum engine_status of the last transfer */
        ENGINE_PASID = 0x08,      /* 32 bits: tags the request; ENGINE_UNTAGGED: none does */
        ENGINE_LENGTH = 0x0c,     /* 32 bits: bytes, 1..ENGINE_BUFFER_SIZE */
        ENGINE_IOVA = 0x10,       /* 64 bits */
        ENGINE_DIRECTION = 0x18,  /* 32 bits: enum engine_direction */
        ENGINE_DOORBELL = 0x1c,   /* 32 bits: any write starts the transfer, which is over when the write is */
        ENGINE_DONE = 0x20,       /* 32 bits, read only: bytes that were moved before it ended */
        ENGINE_FAULT = 0x24,      /* 32 bits, read only: enum engine_fault of the byte after those */
        ENGINE_PHYSICAL = 0x28,   /* 64 bits, read only: where in the guest's memory the first byte was */
        /* A real device has its IOMMU find the tables; this one is told, by whoever can read the IOMMU's register. */
        ENGINE_ROOT = 0x30,       /* 64 bits: the IOMMU's root table address register */
        ENGINE_BUFFER = 0x800,    /* ENGINE_BUFFER_SIZE bytes */
};

#define ENGINE_UNTAGGED 0x80000000U

enum engine_direction {
        ENGINE_FROM_MEMORY = 1, /* DMA read: the device reads memory into its buffer */
        ENGINE_TO_MEMORY = 2,   /* DMA write */
};

/* X(name, what it means) */
#define ENGINE_STATUSES(X)                                                                      \
        X(IDLE, "idle")                 /* nothing was started since reset */                   \
        X(DONE, "done")                                                                         \
        X(FAULT, "fault")               /* the IOMMU's tables refuse it, see ENGINE_FAULT */    \
        X(NO_PASID, "pasid-disabled")   /* tagged, but the function's PASID capability is off */\
        X(TOO_WIDE, "pasid-too-wide")   /* tagged with more bits than the capability has */     \
        X(NO_MASTER, "no-bus-master")   /* bus mastering is off in the command register */      \
        X(NO_MEMORY, "no-memory")       /* translated, but to where there is no memory */       \
        X(BAD_REQUEST, "bad-request")   /* length or direction */

#define ENGINE_STATUS_ENUM(name, text) ENGINE_STATUS_##name,
enum engine_status {
        ENGINE_STATUSES(ENGINE_STATUS_ENUM)
};

/* What stopped the walk through the IOMMU's tables, in their order. X(name, what it means) */
#define ENGINE_FAULTS(X)                                                                                  \
        X(OK, "none")                                                                                     \
        X(NO_ROOT, "no-root")         /* no root table, or not one of scalable mode */                    \
        X(NO_CONTEXT, "no-context")   /* the function has no context entry */                             \
        X(NO_TAGGED, "no-tagged")     /* its context entry blocks requests that carry a PASID */          \
        X(NO_PASID, "no-pasid")       /* no PASID table entry: the number is not attached */              \
        X(BAD_PASID, "bad-pasid")     /* its entry makes no sense */                                      \
        X(NO_PAGE, "no-page")         /* nothing is mapped at this address */                             \
        X(NO_RIGHT, "no-right")       /* something is, but it may not be read, or not be written */

#define ENGINE_FAULT_ENUM(name, text) ENGINE_FAULT_##name,
enum engine_fault {
        ENGINE_FAULTS(ENGINE_FAULT_ENUM)
};
