/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See the header.
 */
#include "fake-kernel.h"

#include <check.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Check's own need memory when they hold, too, and a test may be short of it. */
#define expect(condition) expect_msg(condition, "%s is not so", #condition)
#define expect_msg(condition, ...)                 \
        do {                                       \
                if (!(condition))                  \
                        ck_abort_msg(__VA_ARGS__); \
        } while (0)

#define PAGE 0x1000U
#define FIRST_FREE_IOVA 0x10000U
#define LAST_IOVA ((1ULL << 48) - 1)

static struct fake_kernel *fake(struct kernel *k) {
        return (struct fake_kernel *) k;
}

/* Not by an allocator that a test lets run out of memory. */
static void *new_zeroed(size_t n, size_t size) {
        void *p = NULL;

        expect(posix_memalign(&p, _Alignof(max_align_t), n * size) == 0);
        return memset(p, 0, n * size);
}

static void *grow(void *array, size_t *size, size_t needed, size_t element) {
        void *larger;

        if (needed <= *size)
                return array;
        larger = new_zeroed(needed * 2 + 16, element);
        if (array)
                memcpy(larger, array, *size * element);
        free(array);
        *size = needed * 2 + 16;
        return larger;
}

static void note(struct fake_kernel *k, bool is_undo, const struct fake_object *object) {
        k->steps = grow(k->steps, &k->size_steps, k->n_steps + 1, sizeof(*k->steps));
        k->steps[k->n_steps++] = (struct fake_step) { is_undo, *object };
}

static void make(struct fake_kernel *k, const struct fake_object *object) {
        k->objects = grow(k->objects, &k->size_objects, k->n_objects + 1, sizeof(*k->objects));
        k->objects[k->n_objects++] = *object;
        note(k, false, object);
}

static void drop(struct fake_kernel *k, const struct fake_object *object) {
        size_t i = (size_t) (object - k->objects);

        note(k, true, object);
        k->n_objects--;
        memmove(&k->objects[i], &k->objects[i + 1], (k->n_objects - i) * sizeof(*k->objects));
}

static const struct fake_object *find_id(const struct fake_kernel *k, enum fake_kind kind, uint32_t id) {
        for (size_t i = 0; i < k->n_objects; i++)
                if (k->objects[i].kind == kind && k->objects[i].id == id)
                        return &k->objects[i];
        return NULL;
}

static const struct fake_object *find_open(const struct fake_kernel *k, const struct kernel_device *device) {
        for (size_t i = 0; i < k->n_objects; i++)
                if (k->objects[i].kind == FAKE_DEVICE && k->objects[i].device == device)
                        return &k->objects[i];
        ck_abort_msg("a device was used that is not open");
        return NULL;
}

static const struct fake_object *find_attachment(const struct fake_kernel *k, const struct kernel_device *device,
                                                 uint32_t pasid) {
        for (size_t i = 0; i < k->n_objects; i++)
                if (k->objects[i].kind == FAKE_ATTACHMENT && k->objects[i].device == device &&
                    k->objects[i].pasid == pasid)
                        return &k->objects[i];
        return NULL;
}

static const struct fake_device *find_device(const struct fake_kernel *k, const char *address) {
        for (size_t i = 0; i < k->n_devices; i++)
                if (strcmp(k->devices[i].address, address) == 0)
                        return &k->devices[i];
        return NULL;
}

static bool is_in_use(const struct fake_kernel *k, const struct fake_object *object) {
        enum fake_kind user = object->kind == FAKE_IOAS ? FAKE_HWPT : FAKE_ATTACHMENT;

        for (size_t i = 0; i < k->n_objects; i++)
                if (k->objects[i].kind == user && k->objects[i].of == object->id)
                        return true;
        return false;
}

static bool is_refused(struct fake_kernel *k, struct refusal *refusal) {
        k->n_calls++;
        if (k->n_calls < k->fail_from || k->n_calls > k->fail_to)
                return false;
        (void) refuse(refusal, k->code, "The test refused this call.");
        return true;
}

static char *copy(const char *s) {
        return strcpy(new_zeroed(strlen(s) + 1, 1), s);
}

static int fake_discover(struct kernel *kernel, struct device_list *ret, struct refusal *refusal) {
        const struct fake_kernel *k = fake(kernel);
        struct device_list list = {};

        if (k->is_discover_failing)
                return refuse(refusal, EIO, "The test refused to look.");
        list.devices = new_zeroed(k->n_devices + 1, sizeof(*list.devices));
        for (size_t i = 0; i < k->n_devices; i++) {
                const struct fake_device *d = &k->devices[i];
                struct device_info *info = &list.devices[list.n_devices++];

                expect(pci_address_parse(d->address, &info->pci) == 0);
                pci_address_format(&info->pci, info->address);
                info->vendor = d->id ? FAKE_VENDOR : 0;
                info->device = d->id;
                info->name = copy("A device");
                info->driver = copy("vfio-pci");
                info->cdev = copy("/dev/vfio/devices/vfio0");
                info->iommu = copy(d->iommu);
                info->reason = copy(d->width ? "" : "It has no PASID capability.");
                info->iommu_group = d->group;
                info->pci_width = info->iommu_width = d->width;
                info->max_pasid = (1U << d->width) - 1;
                info->usable = d->width > 0;
        }
        *ret = list;
        return 0;
}

static int fake_watch(struct kernel *kernel, _unused_ sd_event *event, kernel_changed_t callback, void *userdata,
                      _unused_ struct refusal *refusal) {
        struct fake_kernel *k = fake(kernel);

        k->is_settling = false;
        expect(!k->changed);
        k->changed = callback;
        k->changed_userdata = userdata;
        return 0;
}

static uint64_t inode_of(int fd) {
        struct stat st;

        expect(fstat(fd, &st) == 0);
        return st.st_ino;
}

static int make_fd(const char *name) {
        int fd = memfd_create(name, MFD_CLOEXEC);

        expect(fd >= 0);
        return fd;
}

static int fake_get_iommufd(struct kernel *kernel, int *ret, _unused_ struct refusal *refusal) {
        struct fake_kernel *k = fake(kernel);

        if (k->iommufd < 0) {
                k->iommufd = make_fd("iommufd");
                k->iommufd_inode = inode_of(k->iommufd);
        }
        *ret = k->iommufd;
        return 0;
}

static int fake_set_iommufd(struct kernel *kernel, int fd, struct refusal *refusal) {
        struct fake_kernel *k = fake(kernel);

        if (k->iommufd >= 0 || inode_of(fd) != k->iommufd_inode)
                return refuse(refusal, ENXIO, "That is no iommufd.");
        k->iommufd = fd;
        k->is_settling = true;
        return 0;
}

static int fake_device_open(struct kernel *kernel, const struct device_info *info, struct kernel_device **ret,
                            struct refusal *refusal) {
        struct fake_kernel *k = fake(kernel);
        const struct fake_device *d = find_device(k, info->address);
        struct kernel_device *device;

        if (is_refused(k, refusal))
                return -k->code;
        if (!d)
                return refuse(refusal, ENXIO, "Device %s is not there.", info->address);
        if (d->is_taken || fake_kernel_has_open(k, info->address))
                return refuse(refusal, EBUSY, "Somebody else has device %s bound.", info->address);
        device = new_zeroed(1, sizeof(*device));
        *device = (struct kernel_device) {
                .fd = make_fd("device"),
                .id = ++k->last_id,
                .max_pasid = (1U << d->width) - 1,
                .request_fd = d->has_no_news ? -EBADF : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        };
        expect(d->has_no_news || device->request_fd >= 0);
        make(k, &(struct fake_object) {
                .kind = FAKE_DEVICE, .id = device->id, .address = d->address, .iommu = d->iommu, .device = device,
                .inode = inode_of(device->fd) });
        *ret = device;
        return 0;
}

/* Of a device and its attachments. */
static void set_opener(struct fake_kernel *k, const char *address, struct kernel_device *device) {
        for (size_t i = 0; i < k->n_objects; i++)
                if (k->objects[i].address && strcmp(k->objects[i].address, address) == 0)
                        k->objects[i].device = device;
}

static int fake_device_adopt(struct kernel *kernel, int fd, uint32_t id, struct kernel_device **ret, struct refusal *refusal) {
        struct fake_kernel *k = fake(kernel);
        uint64_t inode = inode_of(fd);

        expect(k->iommufd >= 0);
        if (is_refused(k, refusal))
                return -k->code;
        for (size_t i = 0; i < k->n_objects; i++) {
                const struct fake_object *o = &k->objects[i];
                struct kernel_device *device;

                if (o->kind != FAKE_DEVICE || o->inode != inode || o->id != id || o->device)
                        continue;
                device = new_zeroed(1, sizeof(*device));
                *device = (struct kernel_device) {
                        .fd = fd,
                        .id = id,
                        .max_pasid = (1U << find_device(k, o->address)->width) - 1,
                        .request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                };
                expect(device->request_fd >= 0);
                set_opener(k, o->address, device);
                *ret = device;
                return 0;
        }
        return refuse(refusal, ENXIO, "No device has that fd and that id.");
}

static void unbind(struct fake_kernel *k, const char *address) {
        for (size_t i = k->n_objects; i-- > 0;)
                if (k->objects[i].kind == FAKE_ATTACHMENT && strcmp(k->objects[i].address, address) == 0)
                        drop(k, &k->objects[i]);
        for (size_t i = k->n_objects; i-- > 0;)
                if (k->objects[i].kind == FAKE_DEVICE && strcmp(k->objects[i].address, address) == 0)
                        drop(k, &k->objects[i]);
}

static struct kernel_device *fake_device_close(struct kernel *kernel, struct kernel_device *device) {
        struct fake_kernel *k = fake(kernel);
        const char *address;

        if (!device)
                return NULL;
        address = find_open(k, device)->address;
        if (k->is_kept && k->is_kept(address, k->kept_userdata))
                set_opener(k, address, NULL);
        else
                unbind(k, address);
        (void) close_fd(device->fd);
        (void) close_fd(device->request_fd);
        free(device);
        return NULL;
}

static int fake_ioas_new(struct kernel *kernel, uint32_t *ret, struct refusal *refusal) {
        struct fake_kernel *k = fake(kernel);

        if (is_refused(k, refusal))
                return -k->code;
        *ret = ++k->last_id;
        make(k, &(struct fake_object) { .kind = FAKE_IOAS, .id = *ret });
        return 0;
}

static int fake_hwpt_new(struct kernel *kernel, const struct kernel_device *d, uint32_t ioas, uint32_t *ret,
                         struct refusal *refusal) {
        struct fake_kernel *k = fake(kernel);
        const struct fake_object *device = find_open(k, d);

        expect_msg(find_id(k, FAKE_IOAS, ioas), "a page table for IOAS %u, which there is not", ioas);
        if (is_refused(k, refusal))
                return -k->code;
        *ret = ++k->last_id;
        make(k, &(struct fake_object) { .kind = FAKE_HWPT, .id = *ret, .of = ioas, .iommu = device->iommu });
        return 0;
}

/* The IOAS takes its mappings along. */
static int fake_destroy(struct kernel *kernel, uint32_t id, struct refusal *refusal) {
        struct fake_kernel *k = fake(kernel);
        const struct fake_object *object = find_id(k, FAKE_HWPT, id) ?: find_id(k, FAKE_IOAS, id);

        expect_msg(object || k->is_settling, "object %u was to be destroyed, which there is not", id);
        if (!object)
                return 1;
        if (is_refused(k, refusal))
                return -k->code;
        if (is_in_use(k, object)) {
                expect_msg(k->fail_from > 0 || k->is_settling, "object %u was to be destroyed while it is in use", id);
                return refuse(refusal, EBUSY, "The object is in use.");
        }
        for (size_t i = k->n_objects; object->kind == FAKE_IOAS && i-- > 0;)
                if (k->objects[i].kind == FAKE_MAPPING && k->objects[i].of == id)
                        drop(k, &k->objects[i]);
        drop(k, find_id(k, FAKE_HWPT, id) ?: find_id(k, FAKE_IOAS, id));
        return 0;
}

static int fake_attach(struct kernel *kernel, const struct kernel_device *d, uint32_t pasid, uint32_t hwpt,
                       struct refusal *refusal) {
        struct fake_kernel *k = fake(kernel);
        const struct fake_object *device = find_open(k, d), *table = find_id(k, FAKE_HWPT, hwpt), *attachment;

        expect_msg(table, "page table %u was to be attached, which there is not", hwpt);
        expect(strcmp(table->iommu, device->iommu) == 0);
        expect(pasid >= 1);
        expect(pasid <= d->max_pasid);
        attachment = find_attachment(k, d, pasid);
        expect_msg(!attachment || (k->is_settling && attachment->of == hwpt), "PASID %u of %s would get another page table",
                      pasid, device->address);
        if (is_refused(k, refusal))
                return -k->code;
        if (attachment)
                return 0;
        make(k, &(struct fake_object) {
                .kind = FAKE_ATTACHMENT, .of = hwpt, .pasid = pasid, .address = device->address, .device = device->device });
        return 0;
}

static int fake_detach(struct kernel *kernel, const struct kernel_device *d, uint32_t pasid, struct refusal *refusal) {
        struct fake_kernel *k = fake(kernel);
        const struct fake_object *attachment = find_attachment(k, d, pasid);

        expect_msg(attachment || k->is_settling, "PASID %u was to be detached where it is not attached", pasid);
        if (is_refused(k, refusal))
                return -k->code;
        if (attachment)
                drop(k, attachment);
        return 0;
}

static const struct fake_object *find_overlap(const struct fake_kernel *k, uint32_t ioas, uint64_t iova,
                                              uint64_t length) {
        for (size_t i = 0; i < k->n_objects; i++) {
                const struct fake_object *m = &k->objects[i];

                if (m->kind == FAKE_MAPPING && m->of == ioas && m->iova < iova + length && iova < m->iova + m->length)
                        return m;
        }
        return NULL;
}

static int fake_map_file(struct kernel *kernel, uint32_t ioas, const struct kernel_mapping *m, uint64_t *ret_iova,
                         struct refusal *refusal) {
        struct fake_kernel *k = fake(kernel);
        uint64_t iova = m->flags & MAP_FIXED_IOVA ? m->iova : FIRST_FREE_IOVA;
        const struct fake_object *overlap;

        expect_msg(find_id(k, FAKE_IOAS, ioas), "memory was to be mapped to IOAS %u, which there is not", ioas);
        if (is_refused(k, refusal))
                return -k->code;
        if (m->length == 0 || m->length % PAGE != 0 || m->length > LAST_IOVA || iova > LAST_IOVA - (m->length - 1))
                return refuse(refusal, EINVAL, "That is no range of pages.");
        while ((overlap = find_overlap(k, ioas, iova, m->length))) {
                if (m->flags & MAP_FIXED_IOVA)
                        return refuse(refusal, EADDRINUSE, "Something is mapped there.");
                iova = overlap->iova + overlap->length;
        }
        make(k, &(struct fake_object) {
                .kind = FAKE_MAPPING, .of = ioas, .iova = iova, .length = m->length, .flags = m->flags });
        *ret_iova = iova;
        return 0;
}

/* Of all that is in a range, whole ones only. */
static int unmap_range(struct fake_kernel *k, uint32_t ioas, uint64_t iova, uint64_t length, uint64_t *ret_unmapped,
                       struct refusal *refusal) {
        const struct fake_object *m;
        uint64_t unmapped = 0;

        while ((m = find_overlap(k, ioas, iova, length))) {
                expect_msg(m->iova >= iova && m->iova + m->length <= iova + length,
                              "a part of what is mapped at %#llx was to be unmapped", (unsigned long long) m->iova);
                unmapped += m->length;
                drop(k, m);
        }
        if (unmapped == 0)
                return refuse(refusal, EINVAL, "Nothing is mapped there.");
        *ret_unmapped = unmapped;
        return 0;
}

static int fake_unmap(struct kernel *kernel, uint32_t ioas, uint64_t iova, uint64_t length, uint64_t *ret_unmapped,
                      struct refusal *refusal) {
        struct fake_kernel *k = fake(kernel);
        const struct fake_object *m = find_overlap(k, ioas, iova, length);

        if (k->is_settling || !m)
                return unmap_range(k, ioas, iova, length, ret_unmapped, refusal);
        expect_msg(m && m->iova == iova && m->length == length, "what was to be unmapped at %#llx is no mapping",
                      (unsigned long long) iova);
        if (is_refused(k, refusal))
                return -k->code;
        drop(k, m);
        *ret_unmapped = length;
        return 0;
}

static int fake_open_for_tenant(struct kernel *kernel, const struct device_info *info, int *ret_device,
                                int *ret_iommufd, struct refusal *refusal) {
        struct fake_kernel *k = fake(kernel);
        const struct fake_device *d = find_device(k, info->address);

        if (is_refused(k, refusal))
                return -k->code;
        if (!d || d->is_taken || fake_kernel_has_open(k, info->address))
                return refuse(refusal, EBUSY, "Somebody else has device %s bound.", info->address);
        k->n_opened_for_tenants++;
        *ret_device = eventfd(0, EFD_CLOEXEC);
        *ret_iommufd = eventfd(0, EFD_CLOEXEC);
        expect(*ret_device >= 0 && *ret_iommufd >= 0);
        return 0;
}

static int compare_numbers(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return x < y ? -1 : x > y;
}

/* With the RID's own entry, as Intel's has it. */
static int fake_list_attached(struct kernel *kernel, const char *address, uint32_t **ret, size_t *ret_n,
                              struct refusal *refusal) {
        struct fake_kernel *k = fake(kernel);
        uint32_t *numbers;
        size_t n = 0;

        if (k->is_secretive)
                return refuse(refusal, EOPNOTSUPP, "The kernel does not show its tables.");
        numbers = new_zeroed(k->n_objects + 2, sizeof(*numbers));
        numbers[n++] = 0;
        for (size_t i = 0; i < k->n_objects; i++)
                if (k->objects[i].kind == FAKE_ATTACHMENT && strcmp(k->objects[i].address, address) == 0 &&
                    k->objects[i].pasid != k->hidden)
                        numbers[n++] = k->objects[i].pasid;
        if (k->shown != 0)
                numbers[n++] = k->shown;
        qsort(numbers, n, sizeof(*numbers), compare_numbers);
        *ret = numbers;
        *ret_n = n;
        return 0;
}

static bool fake_gives_pasids(struct kernel *kernel) {
        return fake(kernel)->gives_pasids;
}

/* The iommufd is closed, and with it goes what is left of its objects, unless somebody keeps it. */
static struct kernel *fake_free(struct kernel *kernel) {
        struct fake_kernel *k = fake(kernel);

        k->iommufd = close_fd(k->iommufd);
        for (size_t i = 0; i < k->n_objects; i++)
                expect_msg(!k->objects[i].device, "device %s is still open", k->objects[i].address);
        if (!k->is_kept || !k->is_kept(NULL, k->kept_userdata)) {
                expect(fake_kernel_count(k, FAKE_DEVICE) == 0);
                expect(fake_kernel_count(k, FAKE_ATTACHMENT) == 0);
                k->n_objects = 0;
        }
        k->changed = NULL;
        return NULL;
}

static const struct kernel_ops fake_ops = {
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
        .gives_pasids = fake_gives_pasids,
        .free = fake_free,
};

void fake_kernel_init(struct fake_kernel *k) {
        *k = (struct fake_kernel) {
                .kernel.ops = &fake_ops,
                .iommufd = -EBADF,
                .devices = {
                        { "0000:01:00.0", 11, 20, "dmar0", false, false, 1 },
                        { "0000:02:00.0", 12, 8, "dmar1", false, false, 2 },
                        { "0000:03:00.0", 13, 0, "dmar0", false, false, 3 },
                        { "0000:04:00.0", 14, 20, "dmar0", false, false, 4 },
                        { "0000:05:00.0", 15, 20, "", false, false, 5 },
                },
                .n_devices = 5,
        };
}

void fake_kernel_done(struct fake_kernel *k) {
        free(k->objects);
        free(k->steps);
}

void fake_kernel_fail(struct fake_kernel *k, unsigned n, int code) {
        k->n_calls = 0;
        k->fail_from = k->fail_to = n;
        k->code = code;
}

void fake_kernel_fail_from(struct fake_kernel *k, unsigned n, int code) {
        fake_kernel_fail(k, n, code);
        k->fail_to = UINT32_MAX;
}

void fake_kernel_request(struct fake_kernel *k, const char *address) {
        for (size_t i = 0; i < k->n_objects; i++)
                if (k->objects[i].kind == FAKE_DEVICE && strcmp(k->objects[i].address, address) == 0) {
                        expect(eventfd_write(k->objects[i].device->request_fd, 1) == 0);
                        return;
                }
        ck_abort_msg("device %s is not open", address);
}

void fake_kernel_tell(struct fake_kernel *k) {
        k->changed(k->changed_userdata);
}

void fake_kernel_let_go(struct fake_kernel *k, const char *address) {
        for (size_t i = 0; i < k->n_objects; i++)
                if (k->objects[i].kind == FAKE_DEVICE && strcmp(k->objects[i].address, address) == 0 && !k->objects[i].device) {
                        unbind(k, address);
                        return;
                }
}

void fake_kernel_make(struct fake_kernel *k, const struct fake_object *object) {
        if (object->id > k->last_id)
                k->last_id = object->id;
        make(k, object);
}

void fake_kernel_drop(struct fake_kernel *k, const struct fake_object *object) {
        drop(k, object);
}
