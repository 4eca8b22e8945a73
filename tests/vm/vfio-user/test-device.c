/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device at its socket: what QEMU asks of it, and what nobody should.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../unit/suite.h"
#include "device.h"

#define PASID_CONTROL (0x120 + PCI_PASID_CTRL)

struct peer {
        struct device device;
        struct guest_ram ram;
        uint8_t memory[4096];
        int fds[2]; /* the device's end, ours */
        pthread_t thread;
        int result;
        struct message reply;
};

static void *serve(void *argument) {
        struct peer *peer = argument;

        peer->result = device_serve(&peer->device, peer->fds[0]);
        (void) shutdown(peer->fds[0], SHUT_RDWR);
        return NULL;
}

static struct peer *start(unsigned int width) {
        struct peer *peer = calloc(1, sizeof(*peer));

        ck_assert_ptr_nonnull(peer);
        peer->ram = (struct guest_ram) { peer->memory, sizeof(peer->memory) };
        pci_config_init(&peer->device.config, width);
        engine_init(&peer->device.engine, &peer->ram, &peer->device.config, 0x28);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, peer->fds), 0);
        ck_assert_int_eq(pthread_create(&peer->thread, NULL, serve, peer), 0);
        return peer;
}

/* The device ends with that result once we are gone. */
static void stop(struct peer *peer, int result) {
        (void) shutdown(peer->fds[1], SHUT_WR);
        ck_assert_int_eq(pthread_join(peer->thread, NULL), 0);
        ck_assert_int_eq(peer->result, result);
        (void) close(peer->fds[0]);
        (void) close(peer->fds[1]);
        free(peer);
}

static void send_raw(struct peer *peer, const void *data, size_t n) {
        ck_assert_int_eq(send(peer->fds[1], data, n, MSG_NOSIGNAL), (ssize_t) n);
}

static void send_command(struct peer *peer, uint16_t command, uint32_t flags, const void *payload, size_t n) {
        struct vfio_user_header h = { 7, command, (uint32_t) (sizeof(h) + n), flags, 0 };

        send_raw(peer, &h, sizeof(h));
        if (n > 0)
                send_raw(peer, payload, n);
}

static void receive_all(struct peer *peer, void *data, size_t n) {
        ck_assert_int_eq(recv(peer->fds[1], data, n, MSG_WAITALL), (ssize_t) n);
}

/* Returns the reply's error, and has its payload in peer->reply. */
static int ask(struct peer *peer, uint16_t command, const void *payload, size_t n) {
        struct vfio_user_header *h = &peer->reply.header;

        send_command(peer, command, 0, payload, n);
        receive_all(peer, h, sizeof(*h));
        ck_assert_uint_eq(h->id, 7);
        ck_assert_uint_eq(h->command, command);
        ck_assert_uint_eq(h->flags & VFIO_USER_FLAG_TYPE, VFIO_USER_FLAG_REPLY);
        peer->reply.length = h->size - sizeof(*h);
        ck_assert_uint_le(peer->reply.length, sizeof(peer->reply.payload));
        if (peer->reply.length > 0)
                receive_all(peer, peer->reply.payload, peer->reply.length);
        return h->flags & VFIO_USER_FLAG_ERROR ? (int) h->error : 0;
}

/* payload: bytes that really come along */
static int access_region(struct peer *peer, uint16_t command, uint32_t region, uint64_t offset, uint32_t count, const void *data,
                         size_t payload) {
        uint8_t buffer[sizeof(struct vfio_user_region_access) + 64];
        struct vfio_user_region_access access = { offset, region, count };

        memcpy(buffer, &access, sizeof(access));
        if (payload > 0)
                memcpy(buffer + sizeof(access), data, payload);
        return ask(peer, command, buffer, sizeof(access) + payload);
}

static uint32_t read32(struct peer *peer, uint32_t region, uint64_t offset) {
        uint32_t v;

        ck_assert_int_eq(access_region(peer, VFIO_USER_REGION_READ, region, offset, sizeof(v), NULL, 0), 0);
        ck_assert_uint_eq(peer->reply.length, sizeof(struct vfio_user_region_access) + sizeof(v));
        memcpy(&v, peer->reply.payload + sizeof(struct vfio_user_region_access), sizeof(v));
        return v;
}

static void write32(struct peer *peer, uint32_t region, uint64_t offset, uint32_t v) {
        ck_assert_int_eq(access_region(peer, VFIO_USER_REGION_WRITE, region, offset, sizeof(v), &v, sizeof(v)), 0);
}

#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX
#define BAR VFIO_PCI_BAR0_REGION_INDEX

START_TEST(tells_what_it_is) {
        struct vfio_user_version version = { 0, 1 };
        struct vfio_region_info region = { .argsz = sizeof(region), .index = BAR };
        struct peer *peer = start(20);

        ck_assert_int_eq(ask(peer, VFIO_USER_VERSION, &version, sizeof(version)), 0);
        ck_assert_uint_eq(peer->reply.payload[peer->reply.length - 1], 0);
        version.major = 1;
        ck_assert_int_eq(ask(peer, VFIO_USER_VERSION, &version, sizeof(version)), ENOTSUP);
        ck_assert_int_eq(ask(peer, VFIO_USER_DEVICE_GET_INFO, NULL, 0), 0);
        ck_assert_int_eq(ask(peer, VFIO_USER_DEVICE_GET_REGION_INFO, &region, sizeof(region)), 0);
        memcpy(&region, peer->reply.payload, sizeof(region));
        ck_assert_uint_eq(region.size, ENGINE_BAR_SIZE);
        region.index = 1000;
        ck_assert_int_eq(ask(peer, VFIO_USER_DEVICE_GET_REGION_INFO, &region, sizeof(region)), 0);
        memcpy(&region, peer->reply.payload, sizeof(region));
        ck_assert_uint_eq(region.size, 0);
        ck_assert_uint_eq(read32(peer, CONFIG, PCI_VENDOR_ID), PCI_CONFIG_DEVICE << 16 | PCI_CONFIG_VENDOR);
        ck_assert_uint_eq(read32(peer, CONFIG, 0x120) & 0xffff, PCI_EXT_CAP_ID_PASID);
        ck_assert_uint_eq(read32(peer, CONFIG, 0x124) >> 8 & 0x1f, 20);
        ck_assert_uint_eq(read32(peer, BAR, ENGINE_MAGIC), ENGINE_MAGIC_VALUE);
        stop(peer, 0);
        peer = start(0);
        ck_assert_uint_eq(read32(peer, CONFIG, 0x100) >> 20, 0);
        ck_assert_uint_eq(read32(peer, CONFIG, 0x120), 0);
        stop(peer, 0);
}
END_TEST

START_TEST(keeps_within_bounds) {
        struct peer *peer = start(20);
        uint8_t data[64] = {};

        ck_assert_int_eq(access_region(peer, VFIO_USER_REGION_READ, BAR, 4095, 1, NULL, 0), 0);
        ck_assert_int_eq(access_region(peer, VFIO_USER_REGION_READ, BAR, 4095, 2, NULL, 0), EINVAL);
        ck_assert_int_eq(access_region(peer, VFIO_USER_REGION_READ, BAR, UINT64_MAX, 4, NULL, 0), EINVAL);
        ck_assert_int_eq(access_region(peer, VFIO_USER_REGION_READ, BAR, 4, UINT32_MAX, NULL, 0), EINVAL);
        ck_assert_int_eq(access_region(peer, VFIO_USER_REGION_READ, CONFIG, 4096, 1, NULL, 0), EINVAL);
        ck_assert_int_eq(access_region(peer, VFIO_USER_REGION_READ, 1, 0, 4, NULL, 0), EINVAL);
        ck_assert_int_eq(access_region(peer, VFIO_USER_REGION_WRITE, BAR, 4092, 8, data, 8), EINVAL);
        ck_assert_int_eq(access_region(peer, VFIO_USER_REGION_WRITE, BAR, 0, 64, data, 63), EINVAL);
        ck_assert_int_eq(access_region(peer, VFIO_USER_REGION_WRITE, BAR, 0, 0, data, 0), 0);
        ck_assert_int_eq(ask(peer, VFIO_USER_REGION_READ, data, 15), EINVAL);
        ck_assert_int_eq(ask(peer, VFIO_USER_REGION_WRITE, data, 0), EINVAL);
        ck_assert_int_eq(ask(peer, VFIO_USER_VERSION, data, 3), EINVAL);
        ck_assert_int_eq(ask(peer, VFIO_USER_DEVICE_GET_REGION_INFO, data, 31), EINVAL);
        ck_assert_int_eq(ask(peer, VFIO_USER_DEVICE_GET_IRQ_INFO, data, 3), EINVAL);
        ck_assert_int_eq(ask(peer, VFIO_USER_DMA_UNMAP, data, 23), EINVAL);
        ck_assert_int_eq(ask(peer, 99, data, 8), ENOSYS);
        stop(peer, 0);
}
END_TEST

START_TEST(resets) {
        struct peer *peer = start(20);

        write32(peer, CONFIG, PASID_CONTROL, PCI_PASID_CTRL_ENABLE);
        write32(peer, CONFIG, PCI_VENDOR_ID, UINT32_MAX);
        write32(peer, BAR, ENGINE_PASID, 5);
        write32(peer, BAR, ENGINE_MAGIC, 5);
        write32(peer, BAR, ENGINE_DOORBELL, 1);
        ck_assert_uint_eq(read32(peer, CONFIG, PASID_CONTROL) & 0xffff, PCI_PASID_CTRL_ENABLE);
        ck_assert_uint_eq(read32(peer, CONFIG, PCI_VENDOR_ID) & 0xffff, PCI_CONFIG_VENDOR);
        ck_assert_uint_eq(read32(peer, BAR, ENGINE_PASID), 5);
        ck_assert_uint_eq(read32(peer, BAR, ENGINE_MAGIC), ENGINE_MAGIC_VALUE);
        ck_assert_uint_eq(read32(peer, BAR, ENGINE_STATUS), ENGINE_STATUS_BAD_REQUEST);
        ck_assert_int_eq(ask(peer, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
        ck_assert_uint_eq(read32(peer, CONFIG, PASID_CONTROL) & 0xffff, 0);
        ck_assert_uint_eq(read32(peer, BAR, ENGINE_PASID), 0);
        ck_assert_uint_eq(read32(peer, BAR, ENGINE_STATUS), ENGINE_STATUS_IDLE);
        stop(peer, 0);
}
END_TEST

START_TEST(transfers_only_when_allowed) {
        struct peer *peer = start(8);

        write32(peer, BAR, ENGINE_LENGTH, 4);
        write32(peer, BAR, ENGINE_PASID, 5);
        write32(peer, BAR, ENGINE_DIRECTION, ENGINE_FROM_MEMORY);
        write32(peer, BAR, ENGINE_DOORBELL, 1);
        ck_assert_uint_eq(read32(peer, BAR, ENGINE_STATUS), ENGINE_STATUS_NO_MASTER);
        write32(peer, CONFIG, PCI_COMMAND, PCI_COMMAND_MASTER);
        write32(peer, BAR, ENGINE_DOORBELL, 1);
        ck_assert_uint_eq(read32(peer, BAR, ENGINE_STATUS), ENGINE_STATUS_NO_PASID);
        write32(peer, CONFIG, PASID_CONTROL, PCI_PASID_CTRL_ENABLE);
        write32(peer, BAR, ENGINE_DOORBELL, 1);
        ck_assert_uint_eq(read32(peer, BAR, ENGINE_STATUS), ENGINE_STATUS_FAULT);
        ck_assert_uint_eq(read32(peer, BAR, ENGINE_FAULT), ENGINE_FAULT_NO_ROOT);
        write32(peer, BAR, ENGINE_PASID, 256);
        write32(peer, BAR, ENGINE_DOORBELL, 1);
        ck_assert_uint_eq(read32(peer, BAR, ENGINE_STATUS), ENGINE_STATUS_TOO_WIDE);
        write32(peer, BAR, ENGINE_LENGTH, ENGINE_BUFFER_SIZE + 1);
        write32(peer, BAR, ENGINE_DOORBELL, 1);
        ck_assert_uint_eq(read32(peer, BAR, ENGINE_STATUS), ENGINE_STATUS_BAD_REQUEST);
        stop(peer, 0);
}
END_TEST

START_TEST(refuses_broken_frames) {
        static const struct vfio_user_header broken[] = {
                { 1, VFIO_USER_VERSION, 15, 0, 0 },                              /* shorter than itself */
                { 1, VFIO_USER_VERSION, 16 + MESSAGE_PAYLOAD_MAX + 1, 0, 0 },    /* longer than anything we take */
                { 1, VFIO_USER_VERSION, UINT32_MAX, 0, 0 },
                { 1, VFIO_USER_VERSION, 16, VFIO_USER_FLAG_REPLY, 0 },           /* an answer to nothing */
        };
        struct peer *peer;

        for (size_t i = 0; i < ELEMENTSOF(broken); i++) {
                peer = start(20);
                send_raw(peer, &broken[i], sizeof(broken[i]));
                stop(peer, -EPROTO);
        }
        /* A peer that goes in the middle is one that has gone. */
        peer = start(20);
        send_raw(peer, &broken[0], 7);
        stop(peer, 0);
        peer = start(20);
        send_command(peer, VFIO_USER_DMA_MAP, VFIO_USER_FLAG_NO_REPLY, NULL, 0);
        ck_assert_int_eq(ask(peer, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
        stop(peer, 0);
}
END_TEST

static size_t count_fds(void) {
        DIR *dir = opendir("/proc/self/fd");
        size_t n = 0;

        ck_assert_ptr_nonnull(dir);
        while (readdir(dir))
                n++;
        (void) closedir(dir);
        return n;
}

START_TEST(keeps_no_fd) {
        struct vfio_user_header h = { 7, VFIO_USER_DMA_MAP, sizeof(h), VFIO_USER_FLAG_NO_REPLY, 0 };
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(2 * sizeof(int))];
        } control = { .header = { CMSG_LEN(2 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
        struct iovec iov = { &h, sizeof(h) };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
        struct peer *peer = start(20);
        int fds[] = { STDIN_FILENO, STDERR_FILENO };
        size_t before = count_fds();

        memcpy(CMSG_DATA(&control.header), fds, sizeof(fds));
        for (int i = 0; i < 20; i++)
                ck_assert_int_eq(sendmsg(peer->fds[1], &m, MSG_NOSIGNAL), (ssize_t) sizeof(h));
        ck_assert_int_eq(ask(peer, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
        ck_assert_uint_eq(count_fds(), before);
        stop(peer, 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("vm-device");
        TCase *tc = tcase_create("device");

        tcase_add_test(tc, tells_what_it_is);
        tcase_add_test(tc, keeps_within_bounds);
        tcase_add_test(tc, resets);
        tcase_add_test(tc, transfers_only_when_allowed);
        tcase_add_test(tc, refuses_broken_frames);
        tcase_add_test(tc, keeps_no_fd);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
