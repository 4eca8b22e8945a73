/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ordered mock of the kernel layer's system calls.
 */
#include "kernel-mock.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>

#include "internal/errors.h"

static struct kernel_mock *mock_of(const struct system_calls *calls) {
        return (struct kernel_mock *) calls;
}

static const struct mock_call *take(struct kernel_mock *mock, enum mock_kind kind, const char *name) {
        const struct mock_call *call;

        ck_assert_msg(mock->next < mock->n_expected, "%s came after all that was expected", name);
        call = &mock->expected[mock->next++];
        ck_assert_msg(call->kind == kind, "%s came as call %zu, where kind %u was expected", name, mock->next,
                      call->kind);
        return call;
}

static int keep_open(struct kernel_mock *mock, int fd) {
        if (fd >= 0) {
                ck_assert_uint_lt(mock->n_open, sizeof(mock->open) / sizeof(mock->open[0]));
                mock->open[mock->n_open++] = fd;
        }
        return fd;
}

static size_t find_open(const struct kernel_mock *mock, int fd) {
        size_t i = 0;

        while (i < mock->n_open && mock->open[i] != fd)
                i++;
        return i;
}

static int mock_open(const struct system_calls *calls, const char *path, int flags) {
        const struct mock_call *call = take(mock_of(calls), MOCK_CALL_OPEN, path);

        ck_assert_str_eq(path, call->path);
        ck_assert_int_eq(flags & O_ACCMODE, O_RDWR);
        return keep_open(mock_of(calls), call->result);
}

static void mock_close(const struct system_calls *calls, int fd) {
        struct kernel_mock *mock = mock_of(calls);
        size_t i = find_open(mock, fd);

        ck_assert_msg(i < mock->n_open, "fd %d was closed and is not open", fd);
        mock->open[i] = mock->open[--mock->n_open];
}

static int mock_ioctl(const struct system_calls *calls, int fd, unsigned long request, void *arg) {
        const struct mock_call *call = take(mock_of(calls), MOCK_CALL_IOCTL, "ioctl");
        uint32_t size;

        ck_assert_int_eq(fd, call->fd);
        ck_assert_msg(find_open(mock_of(calls), fd) < mock_of(calls)->n_open, "ioctl on fd %d, which is not open", fd);
        ck_assert_uint_eq(request, call->request);
        memcpy(&size, call->in, sizeof(size));
        ck_assert_mem_eq(arg, call->in, size);
        if (call->result >= 0 && call->out)
                memcpy(arg, call->out, size);
        return call->result;
}

static int mock_eventfd(const struct system_calls *calls) {
        return keep_open(mock_of(calls), take(mock_of(calls), MOCK_CALL_EVENTFD, "eventfd")->result);
}

static int mock_fstat(const struct system_calls *calls, int fd, struct stat *ret) {
        const struct mock_call *call = take(mock_of(calls), MOCK_CALL_FSTAT, "fstat");

        ck_assert_int_eq(fd, call->fd);
        if (call->result == 0)
                *ret = (struct stat) { .st_mode = call->mode, .st_rdev = call->rdev };
        return call->result;
}

struct kernel *kernel_mock_new(struct kernel_mock *mock, const char *sysfs) {
        const struct kernel_params params = {
                .sysfs = sysfs ? sysfs : "/mock-sys",
                .dev = "/mock-dev",
                .calls = &mock->calls,
        };
        struct refusal refusal = {};
        struct kernel *k = NULL;

        *mock = (struct kernel_mock) {
                .calls = {
                        .open = mock_open,
                        .close = mock_close,
                        .ioctl = mock_ioctl,
                        .eventfd = mock_eventfd,
                        .fstat = mock_fstat,
                },
        };
        ck_assert_msg(kernel_new(&params, &k, &refusal) == 0, "%s", refusal.text);
        return k;
}

void kernel_mock_free(struct kernel_mock *mock, struct kernel *k) {
        kernel_mock_expect(mock, NULL, 0);
        ck_assert_ptr_null(k->ops->free(k));
        ck_assert_msg(mock->n_open == 0, "fd %d is still open", mock->open[0]);
}

void kernel_mock_expect(struct kernel_mock *mock, const struct mock_call *calls, size_t n) {
        ck_assert_msg(mock->next == mock->n_expected, "only %zu of %zu expected calls came", mock->next,
                      mock->n_expected);
        mock->expected = calls;
        mock->n_expected = n;
        mock->next = 0;
}

void kernel_mock_add_open(struct kernel_mock *mock, int fd) {
        (void) keep_open(mock, fd);
}

void kernel_mock_check_refusal(int r, struct refusal *refusal, int code, const char *words) {
        const struct error_entry *got = error_by_code(r), *expected = error_by_code(code);
        size_t length = strlen(refusal->text);

        ck_assert_msg(r < 0, "succeeded, where %s was expected", expected->name);
        ck_assert_msg(got != NULL, "errno %d is none of the contract: %s", -r, refusal->text);
        ck_assert_msg(got == expected, "%s, where %s was expected: %s", got->name, expected->name, refusal->text);
        ck_assert_int_eq(refusal->code, code);
        ck_assert_msg(strstr(refusal->text, words) != NULL, "'%s' lacks '%s'", refusal->text, words);
        ck_assert_msg(length > 0 && length < REFUSAL_TEXT_MAX - 1 && refusal->text[length - 1] == '.',
                      "'%s' is no whole sentence", refusal->text);
        *refusal = (struct refusal) {};
}
