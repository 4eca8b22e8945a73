/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes every method: an input is a script (script.h) of what four users ask
 * of pasidd, in which order, and what happens to it meanwhile. Each call must
 * be answered, in the contract's words, and in the end memory, tables and
 * kernel must tell the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "log.h"
#include "script.h"
#include "values.h"
#include "world.h"

#define STEPS_MAX 64

int LLVMFuzzerInitialize(_unused_ int *argc, _unused_ char ***argv) {
        log_setup(LOG_EMERG); /* nothing is */
        return 0;
}

static sd_bus_message *new_call(struct world *w, unsigned client, const char *path, const char *interface, const char *member) {
        sd_bus_message *m = NULL;

        return sd_bus_message_new_method_call(w->clients[client].sd, &m, NULL, path, interface, member) < 0 ? NULL : m;
}

static void call_method(struct world *w, unsigned client, const struct fuzz_method *method, const char *path, struct input *in) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        m = new_call(w, client, path, fuzz_interfaces[method->interface], method->member);
        if (m && values_append(m, in, method->signature, &w->fds) >= 0)
                world_call(w, client, m);
}

static void call(struct world *w, struct input *in) {
        unsigned client = input_byte(in) % FUZZ_CLIENTS;
        const struct fuzz_method *method = &fuzz_methods[input_byte(in) % ELEMENTSOF(fuzz_methods)];
        _cleanup_free_ char *path = values_read_path(in);

        call_method(w, client, method, path, in);
}

static void call_again(struct world *w, struct input *in, unsigned client) {
        const uint8_t path[] = { (uint8_t) (PATH_FIRST_CONSUMER + client * FUZZ_NAMES) };
        _cleanup_free_ char *consumer = values_read_path(&(struct input) { path, sizeof(path) });
        unsigned n = input_byte(in), first = 0, last;

        while (fuzz_methods[first].interface != FUZZ_CONSUMER)
                first++;
        for (last = first; fuzz_methods[last].interface == FUZZ_CONSUMER; last++)
                continue;
        call_method(w, client, &fuzz_methods[first + n % (last - first)], consumer, in);
}

static void call_wild(struct world *w, struct input *in) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        unsigned client = input_byte(in) % FUZZ_CLIENTS;
        const char *interface = fuzz_interfaces[input_byte(in) % ELEMENTSOF(fuzz_interfaces)];
        const char *member = fuzz_methods[input_byte(in) % ELEMENTSOF(fuzz_methods)].member;
        _cleanup_free_ char *path = values_read_path(in), *signature = input_text(in, input_byte(in) % 16);

        m = new_call(w, client, path, interface, member);
        if (m && values_append(m, in, signature, &w->fds) >= 0)
                world_call(w, client, m);
}

/* Past sd-bus into the socket; the rest of what the client says is not understood any more. */
static void send_garbage(struct world *w, struct input *in) {
        struct fuzz_client *c = &w->clients[input_byte(in) % FUZZ_CLIENTS];
        size_t n = input_byte(in);

        if (n > in->size)
                n = in->size;
        world_settle(w);
        if (n > 0 && sd_bus_is_open(c->sd) > 0) {
                (void) !send(c->fd, in->data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
                c->n_answers = c->n_calls = 0;
                w->is_delayed = true;
        }
        in->data += n;
        in->size -= n;
}

static int read_errno(struct input *in) {
        static const int codes[] = { EIO, EFBIG, ENXIO, EBUSY, EMEDIUMTYPE, ENOMEM };

        return codes[input_byte(in) % ELEMENTSOF(codes)];
}

static void fail_kernel(struct world *w, struct input *in) {
        unsigned n = input_byte(in) % 16 + 1;

        w->is_harmed = w->is_delayed = true;
        fake_kernel_fail(&w->fixture.kernel, n, read_errno(in));
}

static void fail_table(struct world *w, struct input *in) {
        unsigned n = input_byte(in);

        w->is_harmed = w->is_delayed = true;
        fault_store_fail(n & 1 ? w->fixture.persistent : w->fixture.runtime, n / 2 % 32 + 1, n & 0x80 ? EFBIG : EIO);
}

static void request_device(struct world *w, struct input *in) {
        struct fake_kernel *k = &w->fixture.kernel;
        const char *address = k->devices[input_byte(in) % FAKE_DEVICES_MAX].address;

        if (address && fake_kernel_has_open(k, address))
                fake_kernel_request(k, address);
}

static void change_devices(struct world *w, struct input *in) {
        struct fake_kernel *k = &w->fixture.kernel;
        uint8_t n = input_byte(in);

        k->n_devices = n % 6;
        k->devices[0].is_taken = n & 0x40;
        k->devices[3].is_taken = n & 0x80;
        fake_kernel_tell(k);
}

/* Returns the client of the step. */
static unsigned do_step(struct world *w, struct input *in, unsigned client) {
        uint8_t n = input_byte(in);

        switch ((enum step) (n % STEP_SETTLE % STEP_MAX_)) {
        case STEP_CALL:
                client = in->size > 0 ? in->data[0] % FUZZ_CLIENTS : 0;
                call(w, in);
                break;
        case STEP_CALL_AGAIN:
                call_again(w, in, client);
                break;
        case STEP_WILD:
                call_wild(w, in);
                break;
        case STEP_RECONNECT:
                client = input_byte(in) % FUZZ_CLIENTS;
                world_disconnect(w, client);
                world_connect(w, client);
                break;
        case STEP_GARBAGE:
                send_garbage(w, in);
                break;
        case STEP_CLOCK:
                w->fixture.now.realtime_usec += 1000000ULL * input_byte(in);
                w->fixture.now.boottime_usec += 1000000ULL * input_byte(in);
                break;
        case STEP_HANG_UP:
                world_hang_up(w);
                break;
        case STEP_FAIL_KERNEL:
                fail_kernel(w, in);
                break;
        case STEP_FAIL_TABLE:
                fail_table(w, in);
                break;
        case STEP_REQUEST:
                request_device(w, in);
                break;
        case STEP_DEVICES:
                change_devices(w, in);
                break;
        case STEP_RESTART:
                world_restart(w);
                break;
        case STEP_MAX_:
                break;
        }
        if (n >= STEP_SETTLE)
                world_settle(w);
        return client;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct input in = { data, size };
        struct world w = {};
        unsigned client = 0;

        world_begin(&w);
        for (unsigned i = 0; i < STEPS_MAX && in.size > 0; i++)
                client = do_step(&w, &in, client);
        world_end(&w);
        return 0;
}
