/* SPDX-License-Identifier: 0BSD */
/*
 * A small manager of virtual machines, which does by hand what
 *
 *   pasidctl run --open ADDRESS -- qemu-system-x86_64 ... \
 *           -object iommufd,id=pasidd,fd=%{iommufd} -device vfio-pci,iommufd=pasidd,fd=%{device},id=passed
 *
 * does, and stays to tell how the machine ended: QEMU gets a device that only
 * pasidd may open, and a PASID for it, both for as long as QEMU lives. It needs
 * no privilege but to be named in AllowUsers= of the device in pasidd.conf(5).
 *
 *   vm-manager ADDRESS qemu-system-x86_64 [ARGUMENT]...
 *   cc -o vm-manager vm-manager.c $(pkg-config --cflags --libs libpasid)
 */
#include <errno.h>
#include <fcntl.h>
#include <pasid/pasid.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_ADDED 4 /* arguments that are added to QEMU's */

struct machine {
        struct pasid_client *client;
        struct pasid_consumer *consumer;
        int device, iommufd;
        uint32_t pasid;
};

static int failed(const struct machine *m, int r, const char *what) {
        const char *why = m->client ? pasid_strerror_last(m->client) : "";

        (void) fprintf(stderr, "%s: %s\n", what, why[0] != '\0' ? why : pasid_strerror(r));
        return r;
}

/*
 * Called in the process that is to become QEMU. That process holds the
 * consumer: its death, and not the end of this program or of the connection,
 * gives the PASID and the device back.
 */
static int become_consumer(struct machine *m, const char *address) {
        const char *const devices[] = { address, NULL };
        struct pasid_consumer_options options = PASID_CONSUMER_OPTIONS_INIT;
        char name[32];
        int r;

        r = pasid_client_new(NULL, &m->client);
        if (r < 0)
                return failed(m, r, "pasidd cannot be reached");
        (void) snprintf(name, sizeof(name), "vm-%ld", (long) getpid());
        options.devices = devices;
        options.hold = PASID_HOLD_PROCESS;
        options.hold_pid = getpid();
        r = pasid_consumer_init(m->client, name, &options, &m->consumer);
        return r < 0 ? failed(m, r, "The machine cannot have PASIDs") : 0;
}

/* Two descriptors that QEMU inherits: not yet bound to each other, which QEMU does. */
static int take_device(struct machine *m, const char *address) {
        int r;

        r = pasid_consumer_open_device(m->consumer, address, &m->device, &m->iommufd);
        if (r < 0)
                return failed(m, r, "The device cannot be had");
        if (fcntl(m->device, F_SETFD, 0) < 0 || fcntl(m->iommufd, F_SETFD, 0) < 0)
                return failed(m, -errno, "The device cannot be passed on");
        r = pasid_alloc(m->consumer, 0, 0, NULL, 0, NULL, &m->pasid);
        return r < 0 ? failed(m, r, "There is no PASID for the machine") : 0;
}

/* argv with the device added; returns only if QEMU cannot be run. */
static int run_qemu(const struct machine *m, char **argv, int argc) {
        char object[64], device[64], pasid[16];
        char **all = calloc((size_t) argc + N_ADDED + 1, sizeof(*all));
        int error;

        if (!all)
                return -ENOMEM;
        (void) snprintf(object, sizeof(object), "iommufd,id=pasidd,fd=%d", m->iommufd);
        /* QEMU 11.1 crashes without an id here. */
        (void) snprintf(device, sizeof(device), "vfio-pci,iommufd=pasidd,fd=%d,id=passed", m->device);
        (void) snprintf(pasid, sizeof(pasid), "%u", (unsigned) m->pasid);
        memcpy(all, argv, (size_t) argc * sizeof(*all));
        all[argc] = (char *) "-object";
        all[argc + 1] = object;
        all[argc + 2] = (char *) "-device";
        all[argc + 3] = device;
        if (setenv("PASID", pasid, 1) < 0)
                error = errno;
        else {
                (void) execvp(all[0], all);
                error = errno;
        }
        (void) fprintf(stderr, "%s cannot be run: %s\n", argv[0], strerror(error));
        free(all);
        return -error;
}

static int start_machine(const char *address, char **argv, int argc) {
        struct machine m = { .device = -1, .iommufd = -1 };
        int r;

        r = become_consumer(&m, address);
        if (r >= 0)
                r = take_device(&m, address);
        if (r >= 0)
                r = run_qemu(&m, argv, argc);
        /* Only if that failed. Without this the end of the process would do. */
        if (m.consumer)
                (void) pasid_consumer_exit(m.consumer);
        pasid_consumer_free(m.consumer);
        pasid_client_free(m.client);
        return r;
}

static int wait_for_machine(pid_t pid) {
        int status;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return EXIT_FAILURE;
        if (WIFSIGNALED(status)) {
                (void) fprintf(stderr, "The machine was killed by signal %d.\n", WTERMSIG(status));
                return 128 + WTERMSIG(status);
        }
        return WEXITSTATUS(status);
}

int main(int argc, char **argv) {
        pid_t pid;

        if (argc < 3) {
                (void) fprintf(stderr, "Usage: vm-manager ADDRESS QEMU [ARGUMENT]...\n");
                return 2;
        }
        pid = fork();
        if (pid < 0) {
                perror("fork");
                return EXIT_FAILURE;
        }
        if (pid == 0)
                _exit(start_machine(argv[1], argv + 2, argc - 2) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
        return wait_for_machine(pid);
}
