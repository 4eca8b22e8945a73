/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices and the daemon's status, as their properties give them; devices that
 * are opened.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake-daemon.h"

static int reply_objects(struct fake *fake, sd_bus_message *call, const char *how) {
        if (strcmp(how, "wrong type") == 0)
                return fake_reply(fake, call, "a{oa{sa{sv}}}", 1, PASIDD_DEVICE_PREFIX "/x", 1, PASIDD_IFACE_DEVICE, 1, "Usable", "u", 1);
        if (strcmp(how, "wrong form") == 0)
                return fake_reply(fake, call, "a{sa{sv}}", 0);
        return fake_reply(fake, call, "a{oa{sa{sv}}}", 3,
                          PASIDD_DEVICE_PREFIX "/0000_3a01_3a00_2e0", 1, PASIDD_IFACE_DEVICE, 13,
                          "Address", "s", "0000:01:00.0", "Name", "s", "A network card", "Driver", "s", "vfio-pci",
                          "IommuGroup", "u", 12, "PciWidth", "u", 16, "IommuWidth", "u", 20, "MaxPasid", "u", 65535,
                          "Usable", "b", 1, "Reason", "s", "", "Cdev", "s", "/dev/vfio/devices/vfio0", "Allocated", "u", 2, "Attached", "u", 1, "Held", "s", "mediated",
                          FAKE_CONSUMER_PATH, 1, PASIDD_IFACE_CONSUMER, 0,
                          PASIDD_DEVICE_PREFIX "/0000_3a02_3a00_2e0", 1, PASIDD_IFACE_DEVICE, 2,
                          "Address", "s", "0000:02:00.0", "Reason", "s", "It has no PASID capability");
}

static int reply_status(struct fake *fake, sd_bus_message *call, const char *how) {
        if (strcmp(how, "wrong type") == 0)
                return fake_reply(fake, call, "a{sv}", 1, "Version", "u", 1);
        if (strcmp(how, "wrong form") == 0)
                return fake_reply(fake, call, NULL);
        if (strcmp(how, "bare") == 0)
                return fake_reply(fake, call, "a{sv}", 0);
        return fake_reply(fake, call, "a{sv}", 7, "Version", "s", "0.1.0", "Pasids", "u", 12, "Consumers", "u", 3,
                          "BootId", "s", "0123", "Table", "s", "/run/pasidd/pasidd.db", "Mood", "s", "fine",
                          "Restored", "(uuu)", 5, 6, 7);
}

/* Two fds: of a file, and an eventfd that counts to 5. */
static int reply_open(struct fake *fake, sd_bus_message *call, const char *how) {
        _cleanup_close_ int device = open("/dev/null", O_RDWR | O_CLOEXEC), iommufd = eventfd(5, EFD_CLOEXEC);

        if (strcmp(how, "wrong type") == 0)
                return fake_reply(fake, call, "h", device);
        if (strcmp(how, "wrong form") == 0)
                return fake_reply(fake, call, "hu", device, 7);
        if (strcmp(how, "busy") == 0)
                return fake_error(fake, call, PASIDD_ERROR_PREFIX "DeviceBusy", "Somebody has it.");
        if (strcmp(how, "none") == 0)
                return fake_error(fake, call, "org.freedesktop.DBus.Error.UnknownObject", "There is no such object.");
        return fake_reply(fake, call, "hh", device, iommufd);
}

static int handler(struct fake *fake, sd_bus_message *call, void *userdata) {
        if (fake_is(call, "Open"))
                return reply_open(fake, call, userdata);
        if (fake_is(call, "GetConsumer"))
                return fake_reply_consumer(fake, call);
        return fake_is(call, "GetManagedObjects") ? reply_objects(fake, call, userdata) : reply_status(fake, call, userdata);
}

static struct fake *fake;
static struct pasid_client *client;

static void start(const char *how) {
        fake = fake_new(handler, (void *) how);
        client = fake_client(fake_address(fake), 0);
}

static void end(void) {
        (void) pasid_client_free(client);
        fake_free(fake);
}

static int see(const struct pasid_device *d, void *userdata) {
        unsigned *n = userdata;

        ck_assert_uint_eq(d->size, sizeof(*d));
        if ((*n)++ == 0) {
                ck_assert_str_eq(d->address, "0000:01:00.0");
                ck_assert_str_eq(d->name, "A network card");
                ck_assert_str_eq(d->driver, "vfio-pci");
                ck_assert_str_eq(d->cdev, "/dev/vfio/devices/vfio0");
                ck_assert_str_eq(d->reason, "");
                ck_assert(d->usable);
                ck_assert_uint_eq(d->iommu_group, 12);
                ck_assert_uint_eq(d->pci_width, 16);
                ck_assert_uint_eq(d->iommu_width, 20);
                ck_assert_uint_eq(d->max_pasid, 65535);
                ck_assert_uint_eq(d->allocated, 2);
                ck_assert_uint_eq(d->attached, 1);
                ck_assert_str_eq(d->held, "mediated");
                return 0;
        }
        ck_assert_str_eq(d->address, "0000:02:00.0");
        ck_assert_str_eq(d->name, "");
        ck_assert_str_eq(d->driver, "");
        ck_assert_str_eq(d->cdev, "");
        ck_assert_str_eq(d->reason, "It has no PASID capability");
        ck_assert_str_eq(d->held, "");
        ck_assert(!d->usable);
        ck_assert_uint_eq(d->iommu_group, UINT32_MAX);
        return 4;
}

static const char *const bad[] = { "wrong type", "wrong form" };

START_TEST(devices)
{
        unsigned n = 0;

        start("well");
        ck_assert_int_eq(pasid_device_for_each(client, see, &n), 4);
        ck_assert_uint_eq(n, 2);
        assert_call(fake, 0, "GetManagedObjects()");
        ck_assert_int_eq(pasid_device_for_each(client, NULL, NULL), -EINVAL);
        ck_assert_int_eq(pasid_device_for_each(NULL, see, NULL), -EINVAL);
        end();
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                start(bad[i]);
                n = 9;
                ck_assert_int_eq(pasid_device_for_each(client, see, &n), -EBADMSG);
                ck_assert_uint_eq(n, 9);
                end();
        }
}
END_TEST

START_TEST(open_device)
{
        static const struct {
                const char *how;
                int r;
        } cases[] = { { "wrong type", -EBADMSG }, { "wrong form", -EBADMSG }, { "busy", -EBUSY }, { "none", -ENODEV } };
        int device = -5, iommufd = -5;
        struct stat st, null;
        uint64_t value;

        for (int on_bus = 0; on_bus < 2; on_bus++) {
                fake = fake_new(handler, (void *) "well");
                client = fake_client(on_bus ? fake_bus_address(fake) : fake_address(fake), 0);
                ck_assert_int_eq(pasid_device_open(client, "01:00.0", &device, &iommufd), 0);
                assert_call(fake, 0, "Open({})");
                end(); /* they are the caller's, whatever becomes of the connection */
                ck_assert_int_eq(fstat(device, &st), 0);
                ck_assert_int_eq(stat("/dev/null", &null), 0);
                ck_assert_uint_eq(st.st_rdev, null.st_rdev);
                ck_assert_int_eq(fcntl(device, F_GETFD), FD_CLOEXEC);
                ck_assert_int_eq(fcntl(iommufd, F_GETFD), FD_CLOEXEC);
                ck_assert_int_eq(read(iommufd, &value, sizeof(value)), sizeof(value));
                ck_assert_uint_eq(value, 5);
                ck_assert_int_eq(close(device), 0);
                ck_assert_int_eq(close(iommufd), 0);
        }
        device = iommufd = -5;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                start(cases[i].how);
                ck_assert_msg(pasid_device_open(client, "0000:01:00.0", &device, &iommufd) == cases[i].r, "%s", cases[i].how);
                end();
        }
        start("well");
        ck_assert_int_eq(pasid_device_open(client, "0000:01:00", &device, &iommufd), -EINVAL);
        ck_assert_str_eq(pasid_strerror_last(client), "\"0000:01:00\" is no PCI address; write it as in 0000:01:00.0.");
        ck_assert_int_eq(pasid_device_open(client, NULL, &device, &iommufd), -EINVAL);
        ck_assert_int_eq(pasid_device_open(client, "0000:01:00.0", NULL, &iommufd), -EINVAL);
        ck_assert_int_eq(pasid_device_open(client, "0000:01:00.0", &device, NULL), -EINVAL);
        ck_assert_int_eq(pasid_device_open(NULL, "0000:01:00.0", &device, &iommufd), -EINVAL);
        ck_assert_uint_eq(fake_n_calls(fake), 0);
        ck_assert_int_eq(device, -5);
        ck_assert_int_eq(iommufd, -5);
        end();
}
END_TEST

START_TEST(open_for_consumer)
{
        struct pasid_consumer *consumer = NULL;
        int device = -5, iommufd = -5;

        start("well");
        ck_assert_int_eq(pasid_consumer_get(client, 1000, "vm-1", &consumer), 0);
        ck_assert_int_eq(pasid_consumer_open_device(consumer, "0000:01:00.0", &device, &iommufd), 0);
        assert_call(fake, 1, "Open({\"consumer\": o \"" FAKE_CONSUMER_PATH "\"})");
        ck_assert_int_eq(fcntl(device, F_GETFD), FD_CLOEXEC);
        ck_assert_int_eq(close(device), 0);
        ck_assert_int_eq(close(iommufd), 0);
        ck_assert_int_eq(pasid_consumer_open_device(NULL, "0000:01:00.0", &device, &iommufd), -EINVAL);
        ck_assert_int_eq(pasid_consumer_open_device(consumer, NULL, &device, &iommufd), -EINVAL);
        ck_assert_uint_eq(fake_n_calls(fake), 2);
        pasid_consumer_free(consumer);
        end();
}
END_TEST

START_TEST(status)
{
        struct pasid_status s = PASID_STATUS_INIT, t = { 0 };

        start("well");
        ck_assert_int_eq(pasid_get_status(client, &s), 0);
        assert_call(fake, 0, "GetAll(\"org.pasidd1.Manager\")");
        ck_assert_uint_eq(s.size, sizeof(s));
        ck_assert_str_eq(s.version, "0.1.0");
        ck_assert_uint_eq(s.pasids, 12);
        ck_assert_uint_eq(s.consumers, 3);
        ck_assert_str_eq(s.boot_id, "0123");
        ck_assert_str_eq(s.table, "/run/pasidd/pasidd.db");
        ck_assert_uint_eq(s.restored_kept, 5);
        ck_assert_uint_eq(s.restored_detached, 6);
        ck_assert_uint_eq(s.restored_lost, 7);
        ck_assert_int_eq(pasid_get_status(client, &s), 0);
        ck_assert_int_eq(pasid_get_status(client, &t), -EINVAL);
        ck_assert_int_eq(pasid_get_status(client, NULL), -EINVAL);
        end();
        start("bare");
        ck_assert_int_eq(pasid_get_status(client, &s), 0);
        ck_assert_str_eq(s.version, "");
        ck_assert_str_eq(s.table, "");
        end();
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                start(bad[i]);
                ck_assert_int_eq(pasid_get_status(client, &s), -EBADMSG);
                end();
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("lib-device");
        TCase *tc = tcase_create("device");

        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, devices);
        tcase_add_test(tc, open_device);
        tcase_add_test(tc, open_for_consumer);
        tcase_add_test(tc, status);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
