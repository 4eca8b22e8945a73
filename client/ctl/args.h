/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What people type: numbers and ranges of them, consumers, private data.
 */
#pragma once

#include <pasid/pasid.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Decimal, or hexadecimal after 0x; nothing before or after it. -EINVAL, -ERANGE above 32 bits. */
int arg_number(const char *s, uint32_t *ret);

struct arg_numbers {
        uint32_t *items;
        size_t n;
};

/*
 * Numbers and ranges FIRST-LAST, in their order; items are the caller's to
 * free(). -EINVAL and -ERANGE with *ret_bad the argument that was wrong, if it
 * is not NULL; -E2BIG for more than there are PASIDs.
 */
int arg_numbers(char *const *args, size_t n, struct arg_numbers *ret, const char **ret_bad);

/* An array that ends with NULL once it has an item. */
struct arg_list {
        const char **items; /* to be freed; the strings are others' */
        size_t n;
};
int arg_list_add(struct arg_list *list, const char *s);

struct arg_consumer {
        uid_t uid;        /* PASID_UID_SELF for a plain NAME */
        const char *name; /* within the argument */
};

/* NAME or UID:NAME. -EINVAL if the name is empty or the uid is none. */
int arg_consumer(const char *s, struct arg_consumer *ret);

/*
 * TEXT, @FILE, or @- for standard input; *ret is the caller's to free().
 * -EMSGSIZE above PASID_PRIVATE_MAX bytes from a file, -EINVAL for an empty
 * file name, else why it could not be read.
 */
int arg_private(const char *s, void **ret, size_t *ret_size);
