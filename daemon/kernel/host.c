/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Facts of the host: kernel release, boot parameters of the IOMMU,
 * whether an IOMMU and iommufd are at work, and what the CPU can.
 */
#include "kernel/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

DEFINE_CLEANUP(FILE *, fclose);

/* One parameter with comma-separated words, e.g. intel_iommu=on,sm_off. */
static void parse_parameter(const char *name, char *words, struct host_facts *facts) {
        char *state = NULL;

        for (char *word = strtok_r(words, ",", &state); word; word = strtok_r(NULL, ",", &state)) {
                if (strcmp(word, "off") == 0)
                        (void) snprintf(facts->iommu_off, sizeof(facts->iommu_off), "%s=off", name);
                else if (strcmp(word, "on") == 0 && strncmp(facts->iommu_off, name, strlen(name)) == 0)
                        facts->iommu_off[0] = '\0';
                else if (strcmp(name, "intel_iommu") == 0 && (strcmp(word, "sm_off") == 0 || strcmp(word, "sm_on") == 0)) {
                        facts->scalable_on = strcmp(word, "sm_on") == 0;
                        facts->scalable_off = !facts->scalable_on;
                }
        }
}

void host_parse_command_line(char *line, struct host_facts *facts) {
        static const char *const names[] = { "intel_iommu", "amd_iommu", "iommu" };
        char *state = NULL;

        for (char *word = strtok_r(line, " \t\n", &state); word; word = strtok_r(NULL, " \t\n", &state)) {
                char *value = strchr(word, '=');

                if (!value)
                        continue;
                *value++ = '\0';
                for (size_t i = 0; i < ELEMENTSOF(names); i++)
                        if (strcmp(word, names[i]) == 0)
                                parse_parameter(names[i], value, facts);
        }
}

static int has_entries(int dir_fd, const char *path, bool *ret) {
        _cleanup_(closedirp) DIR *dir = NULL;
        const struct dirent *entry;
        int r;

        r = sysfs_list_dir(dir_fd, path, &dir);
        if (sysfs_is_exhaustion(r))
                return r;
        *ret = false;
        while (dir && !*ret && (entry = readdir(dir)))
                *ret = entry->d_name[0] != '.';
        return 0;
}

int host_read_facts(int sysfs_fd, int procfs_fd, int dev_fd, struct host_facts *ret) {
        struct host_facts facts = {};
        char line[4096]; /* COMMAND_LINE_SIZE is 2048 on x86 and arm64 */
        int r;

        r = sysfs_read_text(procfs_fd, "sys/kernel/osrelease", facts.release, sizeof(facts.release));
        if (sysfs_is_exhaustion(r))
                return r;
        if (r < 0 || sscanf(facts.release, "%4u.%4u", &facts.major, &facts.minor) != 2)
                facts.release[0] = '\0';
        if (facts.release[0] == '\0')
                facts.major = facts.minor = 0;
        (void) sysfs_make_printable(facts.release);

        r = sysfs_read_text(procfs_fd, "cmdline", line, sizeof(line));
        if (sysfs_is_exhaustion(r))
                return r;
        if (r == 0)
                host_parse_command_line(line, &facts);

        r = has_entries(sysfs_fd, "class/iommu", &facts.has_iommu);
        if (r < 0)
                return r;

        /* vfio itself needs iommufd's module where it was built for it: once a device is bound, both are loaded. */
        facts.has_iommufd = sysfs_access(sysfs_fd, "class/misc/iommu") == 0 || sysfs_access(dev_fd, "iommu") == 0;
        *ret = facts;
        return 0;
}

static bool has_word(char *words, const char *word) {
        char *state = NULL;

        for (char *w = strtok_r(words, " \t\n", &state); w; w = strtok_r(NULL, " \t\n", &state))
                if (strcmp(w, word) == 0)
                        return true;
        return false;
}

/* By the first CPU: the kernel clears what not all of them have. */
static bool has_cpu_flag(int procfs_fd, const char *flag) {
        _cleanup_(fclosep) FILE *f = NULL;
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        int fd;

        fd = openat(procfs_fd, "cpuinfo", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        f = fd >= 0 ? fdopen(fd, "r") : NULL;
        if (!f) {
                (void) close_fd(fd);
                return false;
        }
        while (getline(&line, &size, f) >= 0)
                if (strncmp(line, "flags", 5) == 0 && strchr(line, ':'))
                        return has_word(strchr(line, ':') + 1, flag);
        return false;
}

bool host_gives_pasids(const char *sysfs, const char *procfs) {
        _cleanup_close_ int sysfs_fd = sysfs_open_dir(AT_FDCWD, sysfs), procfs_fd = sysfs_open_dir(AT_FDCWD, procfs);
        bool has_iommu = false;

        if (sysfs_fd < 0 || procfs_fd < 0 || has_entries(sysfs_fd, "class/iommu", &has_iommu) < 0)
                return false;
        return has_iommu && has_cpu_flag(procfs_fd, "enqcmd");
}
