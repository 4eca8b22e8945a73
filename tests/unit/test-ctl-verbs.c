/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidctl against a daemon that answers as the test wants: what the kernel of
 * the machine would have to do for a real one. Which calls come, what is
 * printed, and the exit status.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake-daemon.h"

#define DEVICE PASIDD_DEVICE_PREFIX "/_30000_3a01_3a00_2e0"

static struct fake *fake;
static char out[8192], err[8192];

static int reply_numbers(sd_bus_message *call, uint32_t first, uint32_t count) {
        sd_bus_message *m = NULL;

        (void) sd_bus_message_new_method_return(call, &m);
        (void) sd_bus_message_open_container(m, 'a', "u");
        for (uint32_t i = 0; i < count; i++)
                (void) sd_bus_message_append(m, "u", first + i);
        (void) sd_bus_message_close_container(m);
        return fake_send(fake, m);
}

static int on_check(sd_bus_message *call, const char *how) {
        if (strcmp(how, "drift") == 0)
                return fake_reply(fake, call, "a(osuss)a(ss)", 2,
                                  DEVICE, "1000:vm-1", 17, "not-in-kernel", "PASID 17 is not there.",
                                  DEVICE, "", 18, "not-in-table", "PASID 18 is nobody's,\n\033[31mred.",
                                  1, "0000:02:00.0", "No debugfs is mounted.");
        if (strcmp(how, "one") == 0)
                return fake_reply(fake, call, "a(osuss)a(ss)", 1, FAKE_CONSUMER_PATH, "1000:vm-1", 0, "device-gone", "It is gone.", 0);
        if (strcmp(how, "ill") == 0)
                return fake_reply(fake, call, "a(osuss)a(ss)", 1, PASIDD_PATH, "", 0, "not-healthy", "The table is gone.", 0);
        if (strcmp(how, "skipped") == 0)
                return fake_reply(fake, call, "a(osuss)a(ss)", 0, 1, "0000:02:00.0", "No debugfs is mounted.");
        if (strcmp(how, "refused") == 0)
                return fake_error(fake, call, "org.freedesktop.DBus.Error.AccessDenied", "Only root may check.");
        return fake_reply(fake, call, "a(osuss)a(ss)", 0, 0);
}

/* Above 18 a number can't be attached, and 5 is; above 28 none can be detached. */
static int on_attach(sd_bus_message *call) {
        uint32_t pasid;

        (void) sd_bus_message_read(call, "u", &pasid);
        if (pasid == 5 && fake_is(call, "Attach"))
                return fake_error(fake, call, PASIDD_ERROR_PREFIX "AlreadyAllocated", "PASID 5 is attached.");
        if (pasid > 28 || (pasid > 18 && fake_is(call, "Attach")))
                return fake_error(fake, call, PASIDD_ERROR_PREFIX "DeviceBusy", "The device is in reset.");
        return fake_reply(fake, call, NULL);
}

static int on_subscribe(sd_bus_message *call) {
        (void) fake_reply(fake, call, NULL);
        (void) fake_signal(fake, NULL, PASIDD_PATH, PASIDD_IFACE_MANAGER, "PasidLost", "ous", FAKE_CONSUMER_PATH, 17, "device-gone");
        (void) fake_signal(fake, NULL, PASIDD_PATH, PASIDD_IFACE_MANAGER, "DeviceRequested", "ot", DEVICE, (uint64_t) 1700000000500000);
        fake_hang_up(fake);
        return 1;
}

static int handler(struct fake *f, sd_bus_message *call, void *userdata) {
        uint32_t count, min;

        if (fake_is(call, "Check"))
                return on_check(call, userdata);
        if (fake_is(call, "Attach") || fake_is(call, "Detach"))
                return on_attach(call);
        if (fake_is(call, "Subscribe"))
                return on_subscribe(call);
        if (fake_is(call, "Alloc"))
                return fake_reply(f, call, "u", 17);
        if (fake_is(call, "AllocMany")) {
                (void) sd_bus_message_read(call, "uu", &count, &min);
                return reply_numbers(call, min, count);
        }
        if (fake_is(call, "FreeMany"))
                return strcmp(userdata, "cannot free") == 0
                               ? fake_error(f, call, PASIDD_ERROR_PREFIX "StorageFull", "The disk is full.")
                               : fake_reply(f, call, NULL);
        if (fake_is(call, "GetManagedObjects"))
                return fake_reply(f, call, "a{oa{sa{sv}}}", 1, DEVICE, 1, PASIDD_IFACE_DEVICE, 3, "Address", "s", "0000:01:00.0",
                                  "Usable", "b", 1, "Held", "s", "mediated");
        return fake_reply_consumer(f, call);
}

static void read_all(int fd, char *buf, size_t size) {
        size_t n = 0;
        ssize_t r;

        (void) lseek(fd, 0, SEEK_SET);
        while (n + 1 < size && (r = read(fd, buf + n, size - n - 1)) > 0)
                n += (size_t) r;
        buf[n] = '\0';
        (void) close(fd);
}

static int temporary(void) {
        char path[] = "/tmp/test-ctl-verbs-XXXXXX";
        int fd = mkostemp(path, O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(unlink(path), 0);
        return fd;
}

/* Runs pasidctl with a daemon that answers so; its exit status. */
static int run(const char *how, const char *arguments) {
        const char *builddir = getenv("top_builddir");
        char command[512];
        int status, out_fd = temporary(), err_fd = temporary();
        pid_t pid;

        fake = fake_new(handler, (void *) how);
        (void) snprintf(command, sizeof(command), "exec \"%s/pasidctl\" %s", builddir ? builddir : ".", arguments);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                if (dup2(out_fd, STDOUT_FILENO) < 0 || dup2(err_fd, STDERR_FILENO) < 0 ||
                    setenv("PASIDD_ADDRESS", fake_address(fake), 1) < 0 || setenv("TZ", "UTC0", 1) < 0)
                        _exit(99);
                (void) execl("/bin/sh", "sh", "-c", command, (char *) NULL);
                _exit(99);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        read_all(out_fd, out, sizeof(out));
        read_all(err_fd, err, sizeof(err));
        ck_assert(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void assert_calls(const char *const *calls) {
        unsigned n = 0;

        for (; calls[n]; n++)
                assert_call(fake, n, calls[n]);
        ck_assert_uint_eq(fake_n_calls(fake), n);
        fake_free(fake);
}
#define CALLS(...) assert_calls((const char *const[]) { __VA_ARGS__, NULL })

START_TEST(check)
{
        ck_assert_int_eq(run("drift", "check"), 1);
        ck_assert_str_eq(out, "not-in-kernel: PASID 17 is not there.\n"
                              "not-in-table: PASID 18 is nobody's,\\x0a\\x1b[31mred.\n"
                              "skipped: 0000:02:00.0: No debugfs is mounted.\n");
        ck_assert_str_eq(err, "pasidctl: There are 2 differences between pasidd's table and the kernel; "
                              "pasidctl(1) has what each kind means.\n");
        CALLS("Check({})");
        ck_assert_int_eq(run("one", "check --no-legend"), 1);
        ck_assert_str_eq(out, "device-gone: It is gone.\n");
        ck_assert_ptr_nonnull(strstr(err, "There is 1 difference between"));
        fake_free(fake);
        ck_assert_int_eq(run("nothing", "check"), 0);
        ck_assert_str_eq(out, "pasidd's table agrees with the kernel.\n");
        ck_assert_str_eq(err, "");
        fake_free(fake);
        ck_assert_int_eq(run("nothing", "check --no-legend"), 0);
        ck_assert_str_eq(out, "");
        fake_free(fake);
        ck_assert_int_eq(run("skipped", "check"), 0);
        ck_assert_str_eq(out, "skipped: 0000:02:00.0: No debugfs is mounted.\n"
                              "pasidd's table agrees with what could be looked at.\n");
        fake_free(fake);
        ck_assert_int_eq(run("ill", "check"), 1);
        ck_assert_str_eq(out, "not-healthy: The table is gone.\n");
        ck_assert_str_eq(err, "pasidctl: pasidd is not healthy, though its table agrees with the kernel; its log may tell more.\n");
        fake_free(fake);
        ck_assert_int_eq(run("refused", "check"), 1);
        ck_assert_str_eq(out, "");
        ck_assert_str_eq(err, "pasidctl: Only root may check.\n");
        fake_free(fake);
        ck_assert_int_eq(run("drift", "check >/dev/full"), 1);
        ck_assert_ptr_nonnull(strstr(err, "cannot be written"));
        fake_free(fake);
}
END_TEST

START_TEST(check_json)
{
        ck_assert_int_eq(run("drift", "check --json=short"), 1);
        ck_assert_str_eq(out, "[{\"kind\":\"not-in-kernel\",\"device\":\"0000:01:00.0\",\"consumer\":\"vm-1\",\"uid\":1000,\"pasid\":17,"
                              "\"text\":\"PASID 17 is not there.\"},"
                              "{\"kind\":\"not-in-table\",\"device\":\"0000:01:00.0\",\"consumer\":null,\"uid\":null,\"pasid\":18,"
                              "\"text\":\"PASID 18 is nobody's,\\n\\u001b[31mred.\"},"
                              "{\"kind\":\"skipped\",\"device\":\"0000:02:00.0\",\"consumer\":null,\"uid\":null,\"pasid\":null,"
                              "\"text\":\"No debugfs is mounted.\"}]\n");
        ck_assert_ptr_nonnull(strstr(err, "2 differences"));
        fake_free(fake);
        ck_assert_int_eq(run("ill", "check --json=short"), 1);
        ck_assert_str_eq(out, "[{\"kind\":\"not-healthy\",\"device\":null,\"consumer\":null,\"uid\":null,\"pasid\":null,"
                              "\"text\":\"The table is gone.\"}]\n");
        fake_free(fake);
        ck_assert_int_eq(run("nothing", "check --json=pretty"), 0);
        ck_assert_str_eq(out, "[]\n");
        ck_assert_str_eq(err, "");
        fake_free(fake);
        ck_assert_int_eq(run("refused", "check --json=short"), 1);
        ck_assert_str_eq(err, "pasidctl: Only root may check.\n");
        fake_free(fake);
}
END_TEST

#define GET "GetConsumer(1000, \"vm-1\")"

START_TEST(attach)
{
        ck_assert_int_eq(run("", "attach 1000:vm-1 17"), 0);
        ck_assert_str_eq(out, "");
        ck_assert_str_eq(err, "");
        CALLS(GET, "Attach(17)");
        /* All or none. */
        ck_assert_int_eq(run("", "attach 1000:vm-1 16 17-20"), 1);
        ck_assert_str_eq(err, "pasidctl: The device is in reset.\n");
        CALLS(GET, "Attach(16)", "Attach(17)", "Attach(18)", "Attach(19)", "Detach(18)", "Detach(17)", "Detach(16)");
        ck_assert_int_eq(run("", "attach 1000:vm-1 5"), 1);
        ck_assert_str_eq(err, "pasidctl: PASID 5 is attached.\n");
        CALLS(GET, "Attach(5)");
        ck_assert_int_eq(run("", "detach 1000:vm-1 5 17"), 0);
        CALLS(GET, "Detach(5)", "Detach(17)");
        ck_assert_int_eq(run("", "detach 1000:vm-1 27-30"), 1);
        ck_assert_str_eq(err, "pasidctl: The device is in reset. Before it 2 PASIDs have been detached.\n");
        CALLS(GET, "Detach(27)", "Detach(28)", "Detach(29)");
        ck_assert_int_eq(run("", "detach 1000:vm-1 5 30"), 1);
        ck_assert_str_eq(err, "pasidctl: The device is in reset. Before it 1 PASID has been detached.\n");
        fake_free(fake);
        ck_assert_int_eq(run("", "detach 1000:vm-1 30"), 1);
        ck_assert_str_eq(err, "pasidctl: The device is in reset.\n");
        fake_free(fake);
}
END_TEST

START_TEST(alloc_attach)
{
        ck_assert_int_eq(run("", "alloc 1000:vm-1 --attach --token=t"), 0);
        ck_assert_str_eq(out, "17\n");
        CALLS(GET, "Alloc(0, 0, [], {\"token\": s \"t\", \"attach\": b true})");
        ck_assert_int_eq(run("", "alloc 1000:vm-1 --attach --count=2 --min=17 --max=100 --token=t"), 0);
        ck_assert_str_eq(out, "17\n18\n");
        CALLS(GET, "AllocMany(2, 17, 100, [], {\"token\": s \"t\"})", "Attach(17)", "Attach(18)");
        /* One that an earlier call with the token attached is no failure. */
        ck_assert_int_eq(run("", "alloc 1000:vm-1 --attach --count=2 --min=5 --max=100 --token=t"), 0);
        ck_assert_str_eq(out, "5\n6\n");
        fake_free(fake);
        /* What a token has may be in use since an earlier call. */
        ck_assert_int_eq(run("", "alloc 1000:vm-1 --attach --count=3 --min=17 --max=100 --token=t"), 1);
        ck_assert_str_eq(out, "");
        ck_assert_str_eq(err, "pasidctl: The device is in reset. The token keeps them; repeat the command with it.\n");
        CALLS(GET, "AllocMany(3, 17, 100, [], {\"token\": s \"t\"})", "Attach(17)", "Attach(18)", "Attach(19)");
        ck_assert_int_eq(run("", "alloc 1000:vm-1 --attach --count=3 --min=17 --max=100"), 1);
        ck_assert_str_eq(err, "pasidctl: The device is in reset. So they were freed again.\n");
        fake_free(fake);
        ck_assert_int_eq(run("cannot free", "alloc 1000:vm-1 --attach --count=1 --min=19 --max=100"), 1);
        ck_assert_str_eq(err, "pasidctl: The device is in reset. Nor could it be freed again: The disk is full.\n");
        fake_free(fake);
        ck_assert_int_eq(run("", "alloc 1000:vm-1 >/dev/full"), 1);
        ck_assert_str_eq(err, "pasidctl: The PASID cannot be printed: No space left on device. So it was freed again.\n");
        fake_free(fake);
}
END_TEST

START_TEST(devices)
{
        ck_assert_int_eq(run("", "devices"), 0);
        ck_assert_str_eq(out, "ADDRESS      NAME DRIVER GROUP WIDTH MAX USABLE HELD\n"
                              "0000:01:00.0 -    -          -     -   - yes    mediated\n");
        fake_free(fake);
        ck_assert_int_eq(run("", "devices --json=short"), 0);
        ck_assert_ptr_nonnull(strstr(out, "\"held\":\"mediated\""));
        fake_free(fake);
}
END_TEST

/* Up to the moment that the daemon hangs up. */
START_TEST(monitor)
{
        ck_assert_int_eq(run("", "monitor"), 1);
        ck_assert_ptr_nonnull(strstr(out, " lost                  17 1000:vm-1 (device-gone)\n"));
        ck_assert_ptr_nonnull(strstr(out, " device-requested         0000:01:00.0 (until 2023-11-14T22:13:20+00:00)\n"));
        ck_assert_str_eq(err, "pasidctl: The connection to pasidd ended.\n");
        fake_free(fake);
        ck_assert_int_eq(run("", "monitor --json=short"), 1);
        ck_assert_ptr_nonnull(strstr(out, "\"event\":\"lost\",\"consumer\":\"vm-1\",\"uid\":1000,\"pasid\":17,\"reason\":\"device-gone\"}\n"));
        ck_assert_ptr_nonnull(strstr(out, "\"event\":\"device-requested\",\"device\":\"0000:01:00.0\","
                                          "\"deadline\":\"2023-11-14T22:13:20.500000Z\"}\n"));
        fake_free(fake);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("ctl-verbs");
        TCase *tc = tcase_create("verbs");

        tcase_set_timeout(tc, 120);
        tcase_add_test(tc, check);
        tcase_add_test(tc, check_json);
        tcase_add_test(tc, attach);
        tcase_add_test(tc, alloc_attach);
        tcase_add_test(tc, devices);
        tcase_add_test(tc, monitor);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
