/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel that does what a test tells it, for a pasidd that is the real one
 * in all else: it is linked in place of the kernel layer. It is told by files
 * in the directory of --sysfs=:
 *
 *   devices  a line "ADDRESS GROUP DRIVER" for each device; news whenever it is moved there
 *   width    there at the start: of all devices, in place of 8 bits
 *   busy     moved there: how many times in all attach, detach and map find the device busy from then on
 *   refuse   moved there, "CALL ERRNO TIMES": how many times opening or binding any device gets that answer from then on,
 *            which is then said in the real one's words; CALL is iommufd, open or bind
 *   request  moved there: the kernel wants every open device back
 *   memory   there at the start: the allocation that fails, see short-of.h
 *   log      what was done, a line each, by the fake itself
 *
 * What the real one asks of iommufd and VFIO is measured as there.
 *
 * What outlives it is in the files behind its fds, for who takes them over: in
 * a device's its id and address, in the iommufd's the last id that was given.
 */
#include "kernel/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal/uapi-iommufd.h"
#include "internal/uapi-vfio.h"
#include "kernel/measure.h"
#include "kernel/translate.h"
#include "short-of.h"

#define DEVICES_MAX 8
#define WIDTH 8U

static uint8_t width = WIDTH;

static uint32_t max_pasid(void) {
        return (UINT32_C(1) << width) - 1;
}

struct fake_device {
        struct kernel_device device;
        char address[PCI_ADDRESS_MAX];
        bool is_open;
};

struct fake_kernel {
        struct kernel kernel;
        char *dir;
        FILE *log;
        char log_buffer[256]; /* it writes when memory is short */
        sd_event_source *watch;
        kernel_changed_t changed;
        void *userdata;
        struct fake_device open[DEVICES_MAX];
        int iommufd;
        unsigned busy;
        enum kernel_call refused_call;
        int refused_with; /* errno */
        unsigned refused; /* times */
        struct measured_calls measured;
};

static struct fake_kernel *fake_of(struct kernel *k) {
        return (struct fake_kernel *) (void *) k;
}

static FILE *open_file(const struct fake_kernel *k, const char *name, const char *mode) {
        char path[512];

        (void) snprintf(path, sizeof(path), "%s/%s", k->dir, name);
        return fopen(path, mode);
}

static void _printf_(2, 3) note(struct fake_kernel *k, const char *format, ...) {
        va_list ap;

        if (!k->log)
                return;
        va_start(ap, format);
        (void) vfprintf(k->log, format, ap);
        va_end(ap);
        (void) fflush(k->log);
}

/* The ioctl has done what is said of it already. */
static int finish_ioctl(_unused_ const struct system_calls *calls, _unused_ int fd, _unused_ unsigned long request, void *r) {
        return *(const int *) r;
}

static int measure(struct kernel *kernel, unsigned long request, int r) {
        const struct system_calls *calls = &fake_of(kernel)->measured.calls;

        return calls->ioctl(calls, -EBADF, request, &r);
}

static int fake_discover(struct kernel *kernel, struct device_list *ret, _unused_ struct refusal *refusal) {
        struct fake_kernel *k = fake_of(kernel);
        struct device_list list = {};
        char address[24], driver[32];
        FILE *f;
        int group;

        list.devices = calloc(DEVICES_MAX, sizeof(*list.devices));
        f = open_file(k, "devices", "re");
        while (list.devices && f && list.n_devices < DEVICES_MAX && fscanf(f, "%23s %d %31s", address, &group, driver) == 3) {
                struct device_info *d = &list.devices[list.n_devices];

                if (pci_address_parse(address, &d->pci) < 0)
                        break;
                (void) pci_address_format(&d->pci, d->address);
                d->iommu_group = group;
                d->usable = strcmp(driver, "vfio-pci") == 0;
                d->pci_width = d->iommu_width = width;
                d->max_pasid = d->usable ? max_pasid() : 0;
                d->name = strdup("Fake device");
                d->driver = strdup(driver);
                d->cdev = strdup(d->usable ? "/dev/vfio/devices/vfio0" : "");
                d->iommu = strdup("dmar0");
                d->reason = strdup(d->usable ? "" : "It has another driver.");
                list.n_devices++;
        }
        if (f)
                (void) fclose(f);
        if (!list.devices)
                return -ENOMEM;
        *ret = list;
        return 0;
}

static void request_all(struct fake_kernel *k) {
        static const uint64_t one = 1;

        for (size_t i = 0; i < DEVICES_MAX; i++)
                if (k->open[i].is_open)
                        (void) !write(k->open[i].device.request_fd, &one, sizeof(one));
}

static void read_refusals(struct fake_kernel *k) {
        static const char *const names[] = {
                [KERNEL_CALL_OPEN_IOMMUFD] = "iommufd",
                [KERNEL_CALL_OPEN_CDEV] = "open",
                [KERNEL_CALL_BIND] = "bind",
        };
        FILE *f = open_file(k, "refuse", "re");
        char name[16] = "";

        if (f && fscanf(f, "%15s %d %u", name, &k->refused_with, &k->refused) == 3)
                for (unsigned i = 0; i < ELEMENTSOF(names); i++)
                        if (strcmp(names[i], name) == 0) {
                                k->refused_call = (enum kernel_call) i;
                                note(k, "refuse %s %d %u\n", name, k->refused_with, k->refused);
                        }
        if (f)
                (void) fclose(f);
}

static int on_moved(_unused_ sd_event_source *source, const struct inotify_event *event, void *userdata) {
        struct fake_kernel *k = userdata;
        FILE *f;

        if (event->len == 0)
                return 0;
        if (strcmp(event->name, "devices") == 0)
                k->changed(k->userdata);
        else if (strcmp(event->name, "request") == 0)
                request_all(k);
        else if (strcmp(event->name, "refuse") == 0)
                read_refusals(k);
        else if (strcmp(event->name, "busy") == 0 && (f = open_file(k, "busy", "re"))) {
                if (fscanf(f, "%u", &k->busy) == 1)
                        note(k, "busy %u\n", k->busy);
                (void) fclose(f);
        }
        return 0;
}

static int fake_watch(struct kernel *kernel, sd_event *event, kernel_changed_t callback, void *userdata,
                      _unused_ struct refusal *refusal) {
        struct fake_kernel *k = fake_of(kernel);

        k->changed = callback;
        k->userdata = userdata;
        return sd_event_add_inotify(event, &k->watch, k->dir, IN_MOVED_TO, on_moved, k);
}

/* As the real one does by the kernel's errno. */
static int refuse_file(struct refusal *refusal) {
        return errno == EMFILE ? refuse(refusal, ENOBUFS, "The fake has too many open files.") : refuse(refusal, ENOMEM, "Out of memory.");
}

static int fake_get_iommufd(struct kernel *kernel, int *ret, struct refusal *refusal) {
        struct fake_kernel *k = fake_of(kernel);
        uint32_t last_id = 0;

        if (k->iommufd < 0) {
                k->iommufd = memfd_create("fake-iommufd", MFD_CLOEXEC);
                if (k->iommufd < 0 || pwrite(k->iommufd, &last_id, sizeof(last_id), 0) < 0)
                        return refuse_file(refusal);
        }
        *ret = k->iommufd;
        return 0;
}

static int fake_set_iommufd(struct kernel *kernel, int fd, struct refusal *refusal) {
        struct fake_kernel *k = fake_of(kernel);
        struct stat st;

        if (fstat(fd, &st) < 0 || st.st_size != sizeof(uint32_t))
                return refuse(refusal, ENXIO, "That is no iommufd of the fake.");
        note(k, "adopt iommufd\n");
        k->iommufd = fd;
        return 0;
}

static int new_id(struct kernel *kernel, uint32_t *ret, struct refusal *refusal) {
        uint32_t id = 0;
        int fd = -EBADF, r;

        r = fake_get_iommufd(kernel, &fd, refusal);
        if (r < 0)
                return r;
        if (pread(fd, &id, sizeof(id), 0) < 0)
                return refuse(refusal, EIO, "The fake has lost its ids.");
        *ret = ++id;
        (void) !pwrite(fd, &id, sizeof(id), 0);
        return 0;
}

static struct fake_device *find_room(struct fake_kernel *k) {
        for (size_t i = 0; i < DEVICES_MAX; i++)
                if (!k->open[i].is_open)
                        return &k->open[i];
        return NULL;
}

/* What a device's fd leads to. */
struct inside {
        uint32_t id;
        char address[PCI_ADDRESS_MAX];
};

static struct kernel_device *enter(struct fake_device *d, int fd, int request_fd, const struct inside *inside) {
        *d = (struct fake_device) { .is_open = true };
        memcpy(d->address, inside->address, sizeof(d->address));
        d->device = (struct kernel_device) {
                .fd = fd,
                .id = inside->id,
                .max_pasid = max_pasid(),
                .request_fd = request_fd,
        };
        return &d->device;
}

static int be_refused(struct fake_kernel *k, const char *address, struct refusal *refusal) {
        if (k->refused == 0)
                return 0;
        k->refused--;
        note(k, "refused\n");
        return translate(k->refused_call, -k->refused_with, refusal, "Device %s was to be opened", address);
}

static int fake_device_open(struct kernel *kernel, const struct device_info *info, struct kernel_device **ret,
                            struct refusal *refusal) {
        struct fake_kernel *k = fake_of(kernel);
        _cleanup_close_ int fd = -EBADF, request_fd = -EBADF;
        struct fake_device *d = find_room(k);
        struct inside inside = {};
        int r;

        r = be_refused(k, info->address, refusal);
        if (r >= 0)
                r = new_id(kernel, &inside.id, refusal);
        if (r < 0)
                return r;
        if (!d)
                return refuse(refusal, ENOMEM, "Out of memory.");
        memcpy(inside.address, info->address, sizeof(inside.address));
        fd = memfd_create("fake-device", MFD_CLOEXEC);
        if (fd < 0 || pwrite(fd, &inside, sizeof(inside), 0) < 0)
                return refuse_file(refusal);
        request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (request_fd < 0)
                return refuse_file(refusal);
        note(k, "open %s\n", inside.address);
        (void) measure(kernel, UAPI_VFIO_DEVICE_BIND_IOMMUFD, 0);
        *ret = enter(d, TAKE_FD(fd), TAKE_FD(request_fd), &inside);
        return 0;
}

static int fake_device_adopt(struct kernel *kernel, int fd, uint32_t id, struct kernel_device **ret, struct refusal *refusal) {
        struct fake_kernel *k = fake_of(kernel);
        struct fake_device *d = find_room(k);
        struct inside inside;

        if (!d || pread(fd, &inside, sizeof(inside), 0) != sizeof(inside) || inside.id != id)
                return refuse(refusal, ENXIO, "That is no device of the fake.");
        note(k, "adopt %s\n", inside.address);
        *ret = enter(d, fd, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), &inside);
        return 0;
}

static struct kernel_device *fake_device_close(struct kernel *kernel, struct kernel_device *device) {
        struct fake_device *d = (struct fake_device *) (void *) device;

        if (!device)
                return NULL;
        note(fake_of(kernel), "close %s\n", d->address);
        device->fd = close_fd(device->fd);
        device->request_fd = close_fd(device->request_fd);
        d->is_open = false;
        return NULL;
}

static int fake_ioas_new(struct kernel *kernel, uint32_t *ret, struct refusal *refusal) {
        return measure(kernel, UAPI_IOMMU_IOAS_ALLOC, new_id(kernel, ret, refusal));
}

static int fake_hwpt_new(struct kernel *kernel, _unused_ const struct kernel_device *d, _unused_ uint32_t ioas, uint32_t *ret,
                         struct refusal *refusal) {
        return measure(kernel, UAPI_IOMMU_HWPT_ALLOC, new_id(kernel, ret, refusal));
}

/* What was destroyed before is not known here. */
static int fake_destroy(struct kernel *kernel, uint32_t id, struct refusal *refusal) {
        uint32_t last = 0;
        int fd = -EBADF, r;

        r = fake_get_iommufd(kernel, &fd, refusal);
        if (r >= 0 && pread(fd, &last, sizeof(last), 0) < 0)
                r = refuse(refusal, EIO, "The fake has lost its ids.");
        return measure(kernel, UAPI_IOMMU_DESTROY, r < 0 ? r : id > last);
}

static int be_busy(struct kernel *kernel, unsigned long request, struct refusal *refusal) {
        struct fake_kernel *k = fake_of(kernel);

        if (measure(kernel, request, k->busy == 0 ? 0 : -EBUSY) >= 0)
                return 0;
        k->busy--;
        note(k, "busy\n");
        return refuse(refusal, EBUSY, "The fake device is busy.");
}

static int fake_attach(struct kernel *kernel, const struct kernel_device *d, uint32_t pasid, _unused_ uint32_t hwpt,
                       struct refusal *refusal) {
        int r = be_busy(kernel, UAPI_VFIO_DEVICE_ATTACH_IOMMUFD_PT, refusal);

        if (r >= 0)
                note(fake_of(kernel), "attach %u %s\n", pasid, ((const struct fake_device *) (const void *) d)->address);
        return r;
}

static int fake_detach(struct kernel *kernel, const struct kernel_device *d, uint32_t pasid, struct refusal *refusal) {
        int r = be_busy(kernel, UAPI_VFIO_DEVICE_DETACH_IOMMUFD_PT, refusal);

        if (r >= 0)
                note(fake_of(kernel), "detach %u %s\n", pasid, ((const struct fake_device *) (const void *) d)->address);
        return r;
}

static int fake_map_file(struct kernel *kernel, _unused_ uint32_t ioas, const struct kernel_mapping *m, uint64_t *ret_iova,
                         struct refusal *refusal) {
        int r = be_busy(kernel, UAPI_IOMMU_IOAS_MAP_FILE, refusal);

        if (r < 0)
                return r;
        if (fcntl(m->fd, F_GET_SEALS) < 0)
                return refuse(refusal, EINVAL, "The fake takes memfds only.");
        *ret_iova = m->flags & MAP_FIXED_IOVA ? m->iova : 0x100000;
        note(fake_of(kernel), "map %llu %llu %#llx %u\n", (unsigned long long) m->offset, (unsigned long long) m->length,
             (unsigned long long) *ret_iova, m->flags);
        return 0;
}

static int fake_unmap(struct kernel *kernel, _unused_ uint32_t ioas, _unused_ uint64_t iova, uint64_t length,
                      uint64_t *ret_unmapped, _unused_ struct refusal *refusal) {
        *ret_unmapped = length;
        return measure(kernel, UAPI_IOMMU_IOAS_UNMAP, 0);
}

static int fake_open_for_tenant(struct kernel *kernel, const struct device_info *info, int *ret_device, int *ret_iommufd,
                                struct refusal *refusal) {
        _cleanup_close_ int device = memfd_create("device", MFD_CLOEXEC), iommufd = memfd_create("iommufd", MFD_CLOEXEC);
        int r = be_refused(fake_of(kernel), info->address, refusal);

        if (r < 0)
                return r;
        if (device < 0 || iommufd < 0)
                return refuse_file(refusal);
        note(fake_of(kernel), "tenant %s\n", info->address);
        *ret_device = TAKE_FD(device);
        *ret_iommufd = TAKE_FD(iommufd);
        return 0;
}

/* One number that nobody has asked for. */
static int fake_list_attached(_unused_ struct kernel *kernel, const char *address, uint32_t **ret, size_t *ret_n,
                              struct refusal *refusal) {
        uint32_t *pasids;

        if (strcmp(address, "0000:02:00.0") == 0)
                return refuse(refusal, EOPNOTSUPP, "The fake does not show the tables of this device.");
        pasids = malloc(sizeof(*pasids));
        if (!pasids)
                return refuse(refusal, ENOMEM, "Out of memory.");
        pasids[0] = max_pasid();
        *ret = pasids;
        *ret_n = 1;
        return 0;
}

static const struct kernel_timings *fake_get_timings(const struct kernel *kernel) {
        return &((const struct fake_kernel *) (const void *) kernel)->measured.timings;
}

static struct kernel *fake_free(struct kernel *kernel) {
        struct fake_kernel *k = fake_of(kernel);

        if (!k)
                return NULL;
        sd_event_source_disable_unref(k->watch);
        for (size_t i = 0; i < DEVICES_MAX; i++)
                if (k->open[i].is_open)
                        (void) fake_device_close(kernel, &k->open[i].device);
        if (k->log)
                (void) fclose(k->log);
        (void) close_fd(k->iommufd);
        free(k->dir);
        free(k);
        return NULL;
}

static void read_width(struct fake_kernel *k) {
        FILE *f = open_file(k, "width", "re");
        unsigned bits;

        if (!f)
                return;
        if (fscanf(f, "%2u", &bits) == 1 && bits >= 1 && bits <= 20)
                width = (uint8_t) bits;
        (void) fclose(f);
}

int kernel_new(const struct kernel_params *params, struct kernel **ret, struct refusal *refusal) {
        static const struct kernel_ops ops = {
                .discover = fake_discover,
                .watch = fake_watch,
                .device_open = fake_device_open,
                .device_adopt = fake_device_adopt,
                .device_close = fake_device_close,
                .ioas_new = fake_ioas_new,
                .hwpt_new = fake_hwpt_new,
                .destroy = fake_destroy,
                .attach = fake_attach,
                .detach = fake_detach,
                .map_file = fake_map_file,
                .unmap = fake_unmap,
                .open_for_tenant = fake_open_for_tenant,
                .get_iommufd = fake_get_iommufd,
                .set_iommufd = fake_set_iommufd,
                .list_attached = fake_list_attached,
                .get_timings = fake_get_timings,
                .free = fake_free,
        };
        static const struct system_calls finished = { .ioctl = finish_ioctl };
        struct fake_kernel *k = calloc(1, sizeof(*k));

        if (!k)
                return refuse(refusal, ENOMEM, "Out of memory.");
        k->kernel.ops = &ops;
        measure_init(&k->measured, &finished);
        k->iommufd = -EBADF;
        k->dir = strdup(params->sysfs);
        if (!k->dir) {
                free(k);
                return refuse(refusal, ENOMEM, "Out of memory.");
        }
        k->log = open_file(k, "log", "ae");
        if (k->log)
                (void) setvbuf(k->log, k->log_buffer, _IOFBF, sizeof(k->log_buffer));
        read_width(k);
        short_of_follow(k->dir);
        *ret = &k->kernel;
        return 0;
}
