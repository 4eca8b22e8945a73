/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers, and one transfer between buffer and memory, page by page.
 */
#include "engine.h"

#include <string.h>

#include "vtd-walk.h"

static uint32_t get32(const struct engine *engine, size_t at) {
        uint32_t v;

        memcpy(&v, engine->bar + at, sizeof(v));
        return v;
}

static uint64_t get64(const struct engine *engine, size_t at) {
        uint64_t v;

        memcpy(&v, engine->bar + at, sizeof(v));
        return v;
}

static void set32(struct engine *engine, size_t at, uint32_t v) {
        memcpy(engine->bar + at, &v, sizeof(v));
}

static void set64(struct engine *engine, size_t at, uint64_t v) {
        memcpy(engine->bar + at, &v, sizeof(v));
}

static enum engine_status move_page(struct engine *engine, const struct vtd_request *request, uint64_t iova,
                                    uint32_t done, uint32_t n) {
        uint8_t *buffer = engine->bar + ENGINE_BUFFER + done, *memory;
        enum engine_fault fault;
        uint64_t physical;

        fault = vtd_walk(engine->ram, request, iova, &physical);
        set32(engine, ENGINE_FAULT, fault);
        if (fault != ENGINE_FAULT_OK)
                return ENGINE_STATUS_FAULT;
        if (done == 0)
                set64(engine, ENGINE_PHYSICAL, physical);
        memory = guest_ram_at(engine->ram, physical, n);
        if (!memory)
                return ENGINE_STATUS_NO_MEMORY;
        if (request->is_write)
                memcpy(memory, buffer, n);
        else
                memcpy(buffer, memory, n);
        set32(engine, ENGINE_DONE, done + n);
        return ENGINE_STATUS_DONE;
}

static enum engine_status transfer(struct engine *engine) {
        uint32_t length = get32(engine, ENGINE_LENGTH), pasid = get32(engine, ENGINE_PASID);
        uint32_t direction = get32(engine, ENGINE_DIRECTION);
        uint64_t iova = get64(engine, ENGINE_IOVA);
        struct vtd_request request = {
                .root = get64(engine, ENGINE_ROOT),
                .rid = engine->rid,
                .is_tagged = pasid != ENGINE_UNTAGGED,
                .pasid = pasid,
                .is_write = direction == ENGINE_TO_MEMORY,
        };

        set32(engine, ENGINE_DONE, 0);
        set32(engine, ENGINE_FAULT, ENGINE_FAULT_OK);
        set64(engine, ENGINE_PHYSICAL, 0);
        if (length == 0 || length > ENGINE_BUFFER_SIZE || iova + length < iova ||
            (direction != ENGINE_FROM_MEMORY && direction != ENGINE_TO_MEMORY))
                return ENGINE_STATUS_BAD_REQUEST;
        if (!pci_config_is_master(engine->config))
                return ENGINE_STATUS_NO_MASTER;
        if (request.is_tagged) {
                if (!pci_config_has_pasid_enabled(engine->config))
                        return ENGINE_STATUS_NO_PASID;
                if (pasid >> engine->config->width != 0)
                        return ENGINE_STATUS_TOO_WIDE;
        }
        for (uint32_t done = 0; done < length;) {
                uint64_t left = VTD_PAGE_SIZE - ((iova + done) & (VTD_PAGE_SIZE - 1));
                uint32_t n = left < length - done ? (uint32_t) left : length - done;
                enum engine_status status = move_page(engine, &request, iova + done, done, n);

                if (status != ENGINE_STATUS_DONE)
                        return status;
                done += n;
        }
        return ENGINE_STATUS_DONE;
}

void engine_init(struct engine *engine, const struct guest_ram *ram, const struct pci_config *config, uint16_t rid) {
        engine->ram = ram;
        engine->config = config;
        engine->rid = rid;
        engine_reset(engine);
}

void engine_reset(struct engine *engine) {
        memset(engine->bar, 0, sizeof(engine->bar));
        set32(engine, ENGINE_MAGIC, ENGINE_MAGIC_VALUE);
}

static bool is_writable(size_t at) {
        return (at >= ENGINE_PASID && at < ENGINE_DOORBELL) || (at >= ENGINE_ROOT && at < ENGINE_ROOT + 8) ||
               at >= ENGINE_BUFFER;
}

void engine_write(struct engine *engine, size_t offset, const uint8_t *data, size_t n) {
        bool rings = offset <= ENGINE_DOORBELL && offset + n > ENGINE_DOORBELL;

        for (size_t i = 0; i < n; i++)
                if (is_writable(offset + i))
                        engine->bar[offset + i] = data[i];
        if (rings)
                set32(engine, ENGINE_STATUS, transfer(engine));
}
