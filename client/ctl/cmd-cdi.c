/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidctl cdi: a specification of the Container Device Interface, by which
 * "podman run --device pasidd.org/pasid=ADDRESS" gives a container PASIDs. It
 * names the hook that does so, and tells it the device. Written by the rules of
 * version 1.1.0, and the same in each version from 0.5.0 on, the oldest that has
 * all it uses (names that begin with a digit). That is what it says unless asked
 * for another, as runtimes refuse versions that they don't know.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl.h"

#define CDI_KIND "pasidd.org/pasid"
#define CDI_DIRECTORY "/etc/cdi"
#define CDI_FILE "pasidd.org-pasid.json" /* vendor and class, as the specification advises */
#define HOOK_PROGRAM "pasid-oci-hook"
#define HOOK_PATH LIBEXECDIR "/" HOOK_PROGRAM

enum {
        OPT_OUTPUT = OPT_OWN,
        OPT_HOOK,
        OPT_CDI_VERSION,
};

/* SPEC.md of CDI, "Released versions". The first is the default. */
static const char *const versions[] = { "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0" };

struct cdi {
        const struct ctl *ctl;
        const char *output; /* a directory, or "-" */
        const char *hook;   /* its path */
        const char *version; /* one of versions */
        struct json_object *devices; /* of the specification, whose it is */
};

DEFINE_CLEANUP(struct json_object *, json_object_put);

/* Takes value over; false without memory, and value is gone then too. */
static bool add(struct json_object *object, const char *key, struct json_object *value) {
        if (value && json_object_object_add(object, key, value) == 0)
                return true;
        json_object_put(value);
        return false;
}

static bool append(struct json_object *array, struct json_object *value) {
        if (value && json_object_array_add(array, value) == 0)
                return true;
        json_object_put(value);
        return false;
}

static bool append_option(struct json_object *array, const char *option, const char *value) {
        _cleanup_free_ char *text = NULL;

        if (!value)
                return true;
        if (asprintf(&text, "--%s=%s", option, value) < 0) {
                text = NULL;
                return false;
        }
        return append(array, json_object_new_string(text));
}

static struct json_object *arguments_new(const struct ctl *ctl, const char *occasion, const char *device) {
        _cleanup_(json_object_putp) struct json_object *array = json_object_new_array();

        if (!array || !append(array, json_object_new_string(HOOK_PROGRAM)) || !append_option(array, "address", ctl->address) ||
            !append_option(array, "device", device) || !append(array, json_object_new_string(occasion)))
                return NULL;
        return TAKE_PTR(array);
}

/* "containerEdits" with one hook; NULL without memory. device: NULL for none. */
static struct json_object *edits_new(const struct cdi *cdi, const char *occasion, const char *device) {
        _cleanup_(json_object_putp) struct json_object *edits = json_object_new_object(), *hooks = json_object_new_array(),
                                                       *hook = json_object_new_object();

        if (!edits || !hooks || !hook || !add(hook, "hookName", json_object_new_string(occasion)) ||
            !add(hook, "path", json_object_new_string(cdi->hook)) ||
            !add(hook, "args", arguments_new(cdi->ctl, occasion, device)) ||
            !append(hooks, TAKE_PTR(hook)) || !add(edits, "hooks", TAKE_PTR(hooks)))
                return NULL;
        return TAKE_PTR(edits);
}

static int device_cb(const struct pasid_device *device, void *userdata) {
        const struct cdi *cdi = userdata;
        struct json_object *entry;

        if (!device->usable)
                return 0;
        entry = json_object_new_object();
        if (!entry || !add(entry, "name", json_object_new_string(device->address)) ||
            !add(entry, "containerEdits", edits_new(cdi, "createRuntime", device->address))) {
                json_object_put(entry);
                return -ENOMEM;
        }
        return append(cdi->devices, entry) ? 0 : -ENOMEM;
}

static int compare_names(const void *a, const void *b) {
        struct json_object *const *x = a, *const *y = b;

        return strcmp(json_object_get_string(json_object_object_get(*x, "name")),
                      json_object_get_string(json_object_object_get(*y, "name")));
}

static int make_specification(struct ctl *ctl, struct cdi *cdi, struct json_object **ret) {
        _cleanup_(json_object_putp) struct json_object *specification = json_object_new_object();
        int r;

        cdi->devices = json_object_new_array();
        if (!specification || !add(specification, "cdiVersion", json_object_new_string(cdi->version)) ||
            !add(specification, "kind", json_object_new_string(CDI_KIND)) ||
            !add(specification, "containerEdits", edits_new(cdi, "poststop", NULL)) ||
            !add(specification, "devices", cdi->devices))
                return ctl_fail(ctl, "Out of memory.");
        r = pasid_device_for_each(ctl->client, device_cb, cdi);
        if (r < 0)
                return ctl_refused(ctl, r);
        if (json_object_array_length(cdi->devices) == 0)
                return ctl_fail(ctl, "No device can use PASIDs here, and a specification without one is none; \"pasidctl devices\" says "
                                "what would help.");
        json_object_array_sort(cdi->devices, compare_names);
        *ret = TAKE_PTR(specification);
        return EXIT_SUCCESS;
}

static int write_text(FILE *f, const char *text) {
        return fprintf(f, "%s\n", text) < 0 || fflush(f) != 0 ? -(errno ?: EIO) : 0;
}

static int sync_directory(int directory) {
        return fsync(directory) < 0 && errno != EINVAL ? -errno : 0;
}

/* Who reads the directory meanwhile finds the old file or the new one, and so it is after a power cut. */
static int replace_file(int directory, const char *text) {
        _cleanup_close_ int fd = -EBADF;
        char fresh[64];
        FILE *f = NULL;
        int r;

        /* Its name does not end in .json, by which specifications are found. */
        (void) snprintf(fresh, sizeof(fresh), "." CDI_FILE ".%ld", (long) getpid());
        (void) unlinkat(directory, fresh, 0); /* of a killed one that had our pid */
        fd = openat(directory, fresh, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        f = fdopen(fd, "w");
        r = f ? write_text(f, text) : -errno;
        if (r >= 0 && (fchmod(fd, 0644) < 0 || fsync(fd) < 0 || renameat(directory, fresh, directory, CDI_FILE) < 0))
                r = -errno;
        if (f) {
                (void) TAKE_FD(fd);
                (void) fclose(f);
        }
        if (r < 0)
                (void) unlinkat(directory, fresh, 0);
        return r < 0 ? r : sync_directory(directory);
}

static const char *advice(int error) {
        return error == EACCES || error == EPERM ? "; root may, or --output= names a directory of your own" : "";
}

static int write_to_directory(struct ctl *ctl, const char *path, const char *text) {
        _cleanup_close_ int directory = -EBADF;
        int r;

        if (strcmp(path, CDI_DIRECTORY) == 0 && mkdir(path, 0755) < 0 && errno != EEXIST)
                return ctl_fail(ctl, "Directory %s cannot be made: %s%s.", path, strerror(errno), advice(errno));
        directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0)
                return ctl_fail(ctl, "Directory %s cannot be opened: %s%s.", path, strerror(errno), advice(errno));
        r = replace_file(directory, text);
        return r < 0 ? ctl_fail(ctl, "%s/" CDI_FILE " cannot be written: %s%s.", path, strerror(-r), advice(-r)) : EXIT_SUCCESS;
}

static int write_specification(struct ctl *ctl, const char *output, struct json_object *specification) {
        int flags = JSON_C_TO_STRING_NOSLASHESCAPE;
        const char *text;
        int r;

        if (ctl->json != JSON_SHORT)
                flags |= JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED;
        text = json_object_to_json_string_ext(specification, flags);
        if (!text)
                return ctl_fail(ctl, "Out of memory.");
        if (strcmp(output, "-") != 0)
                return write_to_directory(ctl, output, text);
        r = write_text(stdout, text);
        return r < 0 ? ctl_write_failed(ctl, r) : EXIT_SUCCESS;
}

/* A runtime would find out at the start of a container, and say no more than that there is no such file. */
static int check_hook(struct ctl *ctl, const char *path) {
        static const char remedy[] = "install the package pasidd-oci, or name the hook by --hook=";
        struct stat st;

        if (path[0] != '/')
                return ctl_usage(ctl, "--hook takes an absolute path, not \"%s\".", path);
        if (stat(path, &st) < 0)
                return ctl_fail(ctl, "There is no hook for container runtimes at %s: %s; %s.", path, strerror(errno), remedy);
        if (!S_ISREG(st.st_mode) || access(path, X_OK) < 0)
                return ctl_fail(ctl, "%s cannot be executed, so that it is no hook for container runtimes; %s.", path, remedy);
        return EXIT_SUCCESS;
}

static int check_version(struct ctl *ctl, const char *version) {
        for (size_t i = 0; i < ELEMENTSOF(versions); i++)
                if (strcmp(versions[i], version) == 0)
                        return EXIT_SUCCESS;
        return ctl_usage(ctl, "--cdi-version takes 0.5.0, 0.6.0, 0.7.0, 0.8.0, 1.0.0 or 1.1.0, not \"%s\".", version);
}

static int run_cdi(struct ctl *ctl, int argc, char **argv) {
        static const struct option options[] = {
                { "output", required_argument, NULL, OPT_OUTPUT },
                { "hook", required_argument, NULL, OPT_HOOK },
                { "cdi-version", required_argument, NULL, OPT_CDI_VERSION },
                COMMON_OPTIONS
        };
        _cleanup_(json_object_putp) struct json_object *specification = NULL;
        struct cdi cdi = { .ctl = ctl, .output = CDI_DIRECTORY, .hook = HOOK_PATH, .version = versions[0] };
        char **args;
        int c, n, r;

        while ((c = ctl_getopt(ctl, argc, argv, ":h", options)) != -1) {
                if (c == OPT_OUTPUT)
                        cdi.output = optarg;
                else if (c == OPT_HOOK)
                        cdi.hook = optarg;
                else if (c == OPT_CDI_VERSION)
                        cdi.version = optarg;
                else
                        return ctl->status;
        }
        if (!ctl_arguments(ctl, argc, argv, 0, 0, &args, &n))
                return ctl->status;
        if (!*cdi.output)
                return ctl_usage(ctl, "--output takes a directory, or - for standard output.");
        r = check_version(ctl, cdi.version);
        if (r == EXIT_SUCCESS)
                r = check_hook(ctl, cdi.hook);
        if (r == EXIT_SUCCESS)
                r = ctl_connect(ctl);
        if (r == EXIT_SUCCESS)
                r = make_specification(ctl, &cdi, &specification);
        return r == EXIT_SUCCESS ? write_specification(ctl, cdi.output, specification) : r;
}

const struct verb verb_cdi = {
        .name = "cdi",
        .arguments = "",
        .summary = "Write what container runtimes need to give out PASIDs as devices",
        .options =
                "  --output=DIR        where pasidd.org-pasid.json is written; - for standard\n"
                "                      output. Default: /etc/cdi\n"
                "  --hook=PATH         where pasid-oci-hook is, if not where the package\n"
                "                      pasidd-oci installs it\n"
                "  --cdi-version=VER   version of CDI that it says it is of, up to 1.1.0.\n"
                "                      Default: 0.5.0, the oldest that has all that is used\n",
        .notes =
                "The file is a specification of the Container Device Interface (CDI) for the\n"
                "devices that can use PASIDs now. Write it anew when they change.\n"
                "\nExample:\n"
                "  pasidctl cdi\n"
                "  podman run --device pasidd.org/pasid=0000:01:00.0 IMAGE\n",
        .run = run_cdi,
};
