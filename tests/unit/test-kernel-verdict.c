/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Usable or not, and why: each obstacle on a tree that has it, the order in
 * which they are told, and the widths and maxima that go with them.
 */
#include "suite.h"

#include "kernel/host.h"
#include "kernel/iommu.h"
#include "kernel/verdict.h"
#include "sysfs-tree.h"

#define DEVICE "sys/devices/pci0000:00/0000:01:00.0/"
#define USABLE "device 0000:01:00.0 pasid=20 group=1 cdev=0 " TREE_READY "\n"

/* Facts that make a usable device, for the tests to spoil. */
static void good_facts(struct host_facts *host, struct device_facts *facts) {
        *host = (struct host_facts) { .release = "6.18.0", .major = 6, .minor = 18, .has_iommu = true, .has_iommufd = true };
        *facts = (struct device_facts) {
                .address = "0000:01:00.0",
                .capability = { .state = CAPABILITY_PRESENT, .width = 20, .is_on = true },
                .iommu = { .kind = IOMMU_INTEL, .name = "dmar0", .scalable = true, .can_tag = true, .width = 20 },
                .group = 1,
                .driver = "vfio-pci",
                .cdev = "vfio0",
        };
}

static void expect(const struct host_facts *host, const struct device_facts *facts, const char *start,
                   const char *mend) {
        struct device_info info = {};

        ck_assert_int_eq(verdict_give(host, facts, &info), 0);
        ck_assert_msg(strncmp(info.reason, start, strlen(start)) == 0, "'%s', not '%s'", info.reason, start);
        ck_assert_msg(strstr(info.reason, mend) != NULL, "'%s' lacks '%s'", info.reason, mend);
        if (strncmp(mend, "; after that", 12) == 0)
                ck_assert_str_eq(strstr(info.reason, "; after that"), mend); /* and no more than that */
        ck_assert_int_eq(info.usable, start[0] == '\0');
        /* It goes into refusals, which are cut at their size. */
        ck_assert_uint_lt(strlen(info.reason), REFUSAL_TEXT_MAX - 64);
        device_info_done(&info);
}

static struct device_info judge(const struct host_facts *host, const struct device_facts *facts) {
        struct device_info info = {};

        ck_assert_int_eq(verdict_give(host, facts, &info), 0);
        free(info.reason);
        info.reason = NULL;
        return info;
}

START_TEST(usable) {
        struct device_facts facts;
        struct host_facts host;

        good_facts(&host, &facts);
        expect(&host, &facts, "", "");
        host.release[0] = '\0'; /* not knowing the release is no obstacle */
        host.major = host.minor = 0;
        expect(&host, &facts, "", "");
}
END_TEST

START_TEST(capability) {
        struct device_facts facts;
        struct host_facts host;

        good_facts(&host, &facts);
        facts.capability.state = CAPABILITY_ABSENT;
        facts.capability.width = 0;
        expect(&host, &facts, "no PASID capability", "use a device that has one");
        ck_assert_uint_eq(judge(&host, &facts).max_pasid, 0);
        (void) snprintf(facts.physfn, sizeof(facts.physfn), "0000:00:07.0");
        expect(&host, &facts, "no PASID capability", "0000:00:07.0");
        facts.physfn[0] = '\0';
        facts.capability.state = CAPABILITY_PRESENT;
        expect(&host, &facts, "the PASID capability of 0000:01:00.0 has width 0", "another device");
        facts.capability.state = CAPABILITY_NO_PRIVILEGE;
        expect(&host, &facts, "no privilege to read", "CAP_SYS_ADMIN");
        facts.capability.state = CAPABILITY_NO_EXTENDED;
        expect(&host, &facts, "the extended configuration space", "MMCONFIG");
        facts.capability.state = CAPABILITY_SILENT;
        expect(&host, &facts, "0000:01:00.0 does not answer", "replug");
        facts.capability.state = CAPABILITY_UNREADABLE;
        expect(&host, &facts, "the configuration space of 0000:01:00.0 cannot be read", "check");
}
END_TEST

START_TEST(no_iommu) {
        struct device_facts facts;
        struct host_facts host;

        good_facts(&host, &facts);
        facts.iommu = (struct iommu_facts) {};
        facts.group = DEVICE_GROUP_NONE;
        expect(&host, &facts, "it has no IOMMU group", "firmware");
        ck_assert_uint_eq(judge(&host, &facts).max_pasid, 0);
        ck_assert_uint_eq(judge(&host, &facts).pci_width, 20);
        host.has_iommu = false;
        expect(&host, &facts, "no IOMMU is at work", "intel_iommu=on,sm_on");
        (void) snprintf(host.iommu_off, sizeof(host.iommu_off), "iommu=off");
        expect(&host, &facts, "no IOMMU in front of it, since the kernel was booted with iommu=off", "boot without");
        good_facts(&host, &facts);
        facts.iommu = (struct iommu_facts) {};
        expect(&host, &facts, "no IOMMU behind its group 1", "AMD-Vi");
}
END_TEST

START_TEST(intel) {
        struct device_facts facts;
        struct host_facts host;

        good_facts(&host, &facts);
        facts.iommu.scalable = false;
        facts.iommu.width = 0;
        expect(&host, &facts, "its IOMMU dmar0 is not in scalable mode", "intel_iommu=on,sm_on");
        ck_assert_uint_eq(judge(&host, &facts).max_pasid, 0);
        facts.iommu.scalable = true;
        facts.iommu.can_tag = false;
        expect(&host, &facts, "its IOMMU dmar0 knows no PASIDs", "another");
        good_facts(&host, &facts);
        host.scalable_off = true;
        expect(&host, &facts, "its IOMMU dmar0 is not in scalable mode, since", "intel_iommu=on,sm_on");
        ck_assert_uint_eq(judge(&host, &facts).iommu_width, 0);
        ck_assert_uint_eq(judge(&host, &facts).max_pasid, 0);
        good_facts(&host, &facts);
        facts.capability.is_on = false;
        expect(&host, &facts, "Linux has not turned PASIDs on at 0000:01:00.0: its IOMMU dmar0", "intel_iommu=on,sm_on");
        host.scalable_on = true;
        expect(&host, &facts, "Linux has not turned PASIDs on at 0000:01:00.0: another function", "ACS");
        facts.cdev[0] = '\0';
        expect(&host, &facts, "Linux has not turned PASIDs on", "; after that: no vfio cdev");
        host.minor = 14; /* a kernel that did so later in its life */
        expect(&host, &facts, "the kernel (", "; after that: no vfio cdev");
        good_facts(&host, &facts);
        facts.capability.is_on = false;
        facts.iommu.kind = IOMMU_OTHER; /* whose driver may do so at the first attach */
        expect(&host, &facts, "", "");
        good_facts(&host, &facts);
        facts.iommu = (struct iommu_facts) { .kind = IOMMU_INTEL, .name = "dmar3", .error = -EBADMSG };
        expect(&host, &facts, "cannot tell whether its IOMMU dmar3", "ecap");
        ck_assert_uint_eq(judge(&host, &facts).max_pasid, 0);
        good_facts(&host, &facts);
        facts.iommu.width = 10;
        expect(&host, &facts, "", "");
        ck_assert_uint_eq(judge(&host, &facts).max_pasid, 1023);
}
END_TEST

START_TEST(amd_and_others) {
        struct device_facts facts;
        struct host_facts host;

        good_facts(&host, &facts);
        facts.iommu = (struct iommu_facts) { .kind = IOMMU_AMD, .name = "ivhd0", .can_tag = true, .width = 16 };
        expect(&host, &facts, "its IOMMU ivhd0 is AMD's", "EOPNOTSUPP");
        ck_assert_uint_eq(judge(&host, &facts).iommu_width, 16);
        ck_assert_uint_eq(judge(&host, &facts).max_pasid, 0xffff);
        facts.iommu.can_tag = false;
        facts.iommu.width = 0;
        expect(&host, &facts, "its IOMMU ivhd0 knows no PASIDs", "another host");
        ck_assert_uint_eq(judge(&host, &facts).max_pasid, 0);
        facts.iommu = (struct iommu_facts) { .kind = IOMMU_OTHER, .name = "smmu3.0x2b400000" };
        expect(&host, &facts, "", "");
        ck_assert_uint_eq(judge(&host, &facts).iommu_width, 0);
        ck_assert_uint_eq(judge(&host, &facts).max_pasid, 0xfffff);
}
END_TEST

START_TEST(drivers) {
        struct device_facts facts;
        struct host_facts host;

        good_facts(&host, &facts);
        facts.cdev[0] = '\0';
        facts.driver[0] = '\0';
        expect(&host, &facts, "no driver is bound", "driverctl set-override 0000:01:00.0 vfio-pci");
        (void) snprintf(facts.driver, sizeof(facts.driver), "ixgbe");
        expect(&host, &facts, "it is bound to ixgbe", "echo 0000:01:00.0 >driver/unbind");
        good_facts(&host, &facts);
        for (const char *const *name = (const char *const[]) { "mlx5_vfio_pci", "qat_vfio_pci", "xe-vfio-pci",
             "vfio-pci-2", NULL }; *name; name++) {
                (void) snprintf(facts.driver, sizeof(facts.driver), "%s", *name);
                expect(&host, &facts, "it is bound to ", "no PASID operations");
        }
}
END_TEST

START_TEST(kernel_and_vfio) {
        struct device_facts facts;
        struct host_facts host;

        good_facts(&host, &facts);
        host.minor = 14;
        (void) snprintf(host.release, sizeof(host.release), "6.14.9-1-generic");
        expect(&host, &facts, "the kernel (6.14.9-1-generic) is older", "Linux 6.15");
        host.minor = 15;
        expect(&host, &facts, "", "");
        host.major = 7;
        host.minor = 0;
        expect(&host, &facts, "", "");
        good_facts(&host, &facts);
        facts.cdev[0] = '\0';
        expect(&host, &facts, "vfio-pci has made no /dev/vfio/devices", "CONFIG_VFIO_DEVICE_CDEV");
        host.has_iommufd = false;
        expect(&host, &facts, "no /dev/iommu", "CONFIG_IOMMUFD");
        good_facts(&host, &facts);
        (void) snprintf(facts.rival, sizeof(facts.rival), "0000:01:00.1");
        (void) snprintf(facts.rival_driver, sizeof(facts.rival_driver), "snd_hda_intel");
        expect(&host, &facts, "0000:01:00.1 in the same IOMMU group 1 is bound to snd_hda_intel", "vfio-pci too");
        good_facts(&host, &facts);
        facts.error = -EACCES;
        facts.error_file = "driver";
        expect(&host, &facts, "cannot read its driver in sysfs: Permission denied", "root");
}
END_TEST

/* Each obstacle hides those that are to be mended after it, and names them. */
START_TEST(order) {
        struct device_facts facts;
        struct host_facts host;

        good_facts(&host, &facts);
        facts.iommu.scalable = false;
        host.major = 5;
        (void) snprintf(facts.driver, sizeof(facts.driver), "e1000e");
        facts.cdev[0] = '\0';
        (void) snprintf(facts.rival, sizeof(facts.rival), "0000:01:00.1");
        expect(&host, &facts, "its IOMMU dmar0 is not in scalable mode",
               "; after that: kernel too old, bound to another driver, its IOMMU group is in use");
        facts.iommu.scalable = true;
        expect(&host, &facts, "the kernel (", "; after that: bound to another driver, its IOMMU group is in use");
        host.major = 6;
        expect(&host, &facts, "it is bound to e1000e", "; after that: its IOMMU group is in use");
        (void) snprintf(facts.driver, sizeof(facts.driver), "vfio-pci");
        host.has_iommufd = false;
        expect(&host, &facts, "0000:01:00.1 in the same", "; after that: no /dev/iommu, no vfio cdev");
        facts.capability.state = CAPABILITY_NO_PRIVILEGE;
        expect(&host, &facts, "no privilege", "; after that: its IOMMU group is in use, no /dev/iommu, no vfio cdev");
        /* nothing can mend a device without the capability, so nothing follows */
        facts.capability.state = CAPABILITY_ABSENT;
        expect(&host, &facts, "no PASID capability (PCIe extended capability 0x1b): use a device that has one", "");
        good_facts(&host, &facts);
        facts.capability.state = CAPABILITY_ABSENT;
        host.major = 5;
        struct device_info info = {};
        ck_assert_int_eq(verdict_give(&host, &facts, &info), 0);
        ck_assert_ptr_null(strstr(info.reason, "after that"));
        device_info_done(&info);
}
END_TEST

START_TEST(decode) {
        struct iommu_facts f = {};

        iommu_decode_intel(0x99800f050df, &f);
        ck_assert(f.scalable && f.can_tag);
        ck_assert_uint_eq(f.width, 20);
        iommu_decode_intel(UINT64_C(1) << 43 | UINT64_C(1) << 40 | UINT64_C(7) << 35, &f);
        ck_assert_uint_eq(f.width, 8);
        iommu_decode_intel(UINT64_MAX, &f); /* a PSS of 31 is reserved */
        ck_assert_uint_eq(f.width, 20);
        iommu_decode_intel(UINT64_MAX & ~(UINT64_C(1) << 43), &f);
        ck_assert(!f.scalable && f.can_tag);
        ck_assert_uint_eq(f.width, 0);
        iommu_decode_intel(UINT64_MAX & ~(UINT64_C(1) << 40), &f);
        ck_assert(f.scalable && !f.can_tag);
        ck_assert_uint_eq(f.width, 0);
        f = (struct iommu_facts) {};
        iommu_decode_amd(UINT64_C(15) << 32 | 1 << 4, &f);
        ck_assert_uint_eq(f.width, 16);
        ck_assert(f.can_tag);
        iommu_decode_amd(UINT64_MAX & ~(UINT64_C(1) << 4), &f);
        ck_assert_uint_eq(f.width, 0);
        ck_assert(!f.can_tag);
}
END_TEST

static struct host_facts parse(const char *line) {
        struct host_facts host = {};
        char copy[256];

        (void) snprintf(copy, sizeof(copy), "%s", line);
        host_parse_command_line(copy, &host);
        return host;
}

START_TEST(command_line) {
        ck_assert(!parse("").scalable_off);
        ck_assert(!parse("intel_iommu=on").scalable_on);
        ck_assert(parse("intel_iommu=on,sm_on").scalable_on);
        ck_assert(!parse("intel_iommu=sm_on,sm_off").scalable_on);
        ck_assert(parse("ro intel_iommu=on,sm_off quiet").scalable_off);
        ck_assert(!parse("intel_iommu=sm_off intel_iommu=on,sm_on").scalable_off);
        ck_assert(parse("intel_iommu=sm_on,sm_off").scalable_off);
        ck_assert(!parse("amd_iommu=sm_off xintel_iommu=sm_off intel_iommu=sm_offx").scalable_off);
        ck_assert_str_eq(parse("quiet intel_iommu=off").iommu_off, "intel_iommu=off");
        ck_assert_str_eq(parse("intel_iommu=off intel_iommu=on").iommu_off, "");
        ck_assert_str_eq(parse("iommu=pt amd_iommu=off").iommu_off, "amd_iommu=off");
        ck_assert_str_eq(parse("iommu=off intel_iommu=on,sm_on").iommu_off, "iommu=off");
        ck_assert_str_eq(parse("intel_iommu iommu= ,=,").iommu_off, "");
}
END_TEST

/* The same once more from files, for what is read rather than judged. */
START_TEST(trees) {
        static char huge[300000];
        const struct device_info *d;
        struct tree tree;

        tree_init(&tree, TREE_HOST USABLE);
        ck_assert_msg(tree_device(&tree, "0000:01:00.0")->usable, "%s", tree.list.devices[0].reason);

        for (const char *const *ecap = (const char *const[]) { "", "zz", "-1", "0x", "0x0x99", " ", "99800f050df beef",
             "99800f050df:1", "11111111111111111", NULL }; *ecap; ecap++) {
                tree_write(&tree, "sys/class/iommu/dmar0/intel-iommu/ecap", *ecap, strlen(*ecap));
                d = tree_device(&tree, "0000:01:00.0");
                ck_assert_msg(strstr(d->reason, "cannot tell whether") == d->reason, "%s: %s", *ecap, d->reason);
        }
        memset(huge, '9', sizeof(huge));
        tree_write(&tree, "sys/class/iommu/dmar0/intel-iommu/ecap", huge, sizeof(huge));
        ck_assert(!tree_device(&tree, "0000:01:00.0")->usable);
        tree_write(&tree, "sys/class/iommu/dmar0/intel-iommu/ecap", "99800f050df\0", 12);
        ck_assert(!tree_device(&tree, "0000:01:00.0")->usable);
        tree_write(&tree, "sys/class/iommu/dmar0/intel-iommu/ecap", "0x99800f050df\n", 14);
        ck_assert(tree_device(&tree, "0000:01:00.0")->usable);
        tree_write(&tree, "sys/class/iommu/dmar0/intel-iommu/ecap", "f020df\n", 7); /* of a Skylake */
        d = tree_device(&tree, "0000:01:00.0");
        ck_assert_ptr_nonnull(strstr(d->reason, "scalable mode"));
        ck_assert_uint_eq(d->max_pasid, 0);
        tree_unlink(&tree, "sys/class/iommu/dmar0/intel-iommu/ecap");
        ck_assert_ptr_nonnull(strstr(tree_device(&tree, "0000:01:00.0")->reason, "No such file"));
        tree_deinit(&tree);

        tree_init(&tree, TREE_HOST USABLE "kernel 6.18.0 intel_iommu=on,sm_off\n");
        ck_assert_ptr_nonnull(strstr(tree_device(&tree, "0000:01:00.0")->reason, "sm_off"));
        tree_add(&tree, "kernel 6.12.43+deb13-amd64\n");
        ck_assert_ptr_nonnull(strstr(tree_device(&tree, "0000:01:00.0")->reason, "6.12.43+deb13-amd64"));
        tree_add(&tree, "kernel 7.2.12\n");
        ck_assert(tree_device(&tree, "0000:01:00.0")->usable);
        tree_unlink(&tree, "sys/class/misc/iommu");
        ck_assert_ptr_nonnull(strstr(tree_device(&tree, "0000:01:00.0")->reason, "no /dev/iommu"));
        tree_deinit(&tree);

        tree_init(&tree, TREE_HOST "device 0000:01:00.0 off=20 group=1 cdev=0 " TREE_READY "\n");
        ck_assert_ptr_nonnull(strstr(tree_device(&tree, "0000:01:00.0")->reason, "has not turned PASIDs on"));
        tree_deinit(&tree);

        tree_init(&tree, "kernel 6.18.0\niommufd\n"
                  "iommu ivhd0 amd 10246577efa2254afa:10\niommu ivhd1 amd 246577efa2254afa:10\n"
                  "iommu smmu3.0x2b400000 other\n"
                  "device 0000:00:00.2 id=1022:14b5 class=080600\n"
                  "device 0000:01:00.0 pasid=20 driver=vfio-pci group=1 cdev=0 iommu=ivhd1\n"
                  "device 0000:02:00.0 pasid=20 driver=vfio-pci group=2 cdev=1 iommu=smmu3.0x2b400000\n"
                  "device 0000:03:00.0 pasid=20 driver=vfio-pci group=3 cdev=2\n"
                  "device 0000:04:00.0 pasid=20 driver=vfio-pci group=4 cdev=3 iommu=ivhd0\n");
        d = tree_device(&tree, "0000:01:00.0");
        ck_assert_uint_eq(d->iommu_width, 16);
        ck_assert(!d->usable);
        d = tree_device(&tree, "0000:02:00.0");
        ck_assert_uint_eq(d->iommu_width, 0);
        ck_assert_uint_eq(d->max_pasid, 0xfffff);
        ck_assert(d->usable);
        d = tree_device(&tree, "0000:03:00.0");
        ck_assert_ptr_nonnull(strstr(d->reason, "no-IOMMU mode"));
        d = tree_device(&tree, "0000:04:00.0"); /* more than 64 bits */
        ck_assert(!d->usable);
        ck_assert_uint_eq(d->iommu_width, 0);
        tree_deinit(&tree);
}
END_TEST

START_TEST(groups) {
        struct tree tree;

        tree_init(&tree, TREE_HOST USABLE
                  "device 0000:01:00.1 group=1 iommu=dmar0 driver=snd_hda_intel\n"
                  "device 0000:01:00.2 group=1 iommu=dmar0 driver=xhci_hcd\n"
                  "device 0000:00:01.0 header=1 class=060400 group=1 iommu=dmar0 driver=pcieport\n"
                  "device 0000:02:00.0 pasid=20 group=2 cdev=1 " TREE_READY "\n"
                  "device 0000:02:00.1 group=2 iommu=dmar0 driver=mlx5_vfio_pci\n"
                  "device 0000:02:00.2 group=2 iommu=dmar0 driver=pci-stub\n"
                  "device 0000:02:00.3 group=2 iommu=dmar0\n");
        ck_assert_ptr_nonnull(strstr(tree_device(&tree, "0000:01:00.0")->reason, "0000:01:00.1 in the same IOMMU group 1"));
        ck_assert_msg(tree_device(&tree, "0000:02:00.0")->usable, "%s", tree.list.devices[3].reason);
        tree_deinit(&tree);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("kernel-verdict");
        TCase *tc = tcase_create("verdict");

        tcase_set_timeout(tc, 120);
        tcase_add_test(tc, usable);
        tcase_add_test(tc, capability);
        tcase_add_test(tc, no_iommu);
        tcase_add_test(tc, intel);
        tcase_add_test(tc, amd_and_others);
        tcase_add_test(tc, drivers);
        tcase_add_test(tc, kernel_and_vfio);
        tcase_add_test(tc, order);
        tcase_add_test(tc, decode);
        tcase_add_test(tc, command_line);
        tcase_add_test(tc, trees);
        tcase_add_test(tc, groups);
        suite_add_tcase(suite, tc);
        return suite_run(suite);
}
