/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VFS of a test's own over SQLite's: each call to a file passes through, but
 * those that the test puts in the place of these.
 */
#pragma once

#include <stddef.h>

#include <sqlite3.h>

/* What the test's own kind of file begins with. */
struct pass_file {
        sqlite3_file base;
        sqlite3_file *below; /* SQLite's, which the test opens */
};

#define BELOW(f) (((struct pass_file *) (f))->below)

/* All of them; to copy, and to change in the copy. */
extern const sqlite3_io_methods pass_methods;

/*
 * Puts vfs, whose xOpen and xDelete are the test's, over the one that is the default, and returns that one. A file has
 * file_size bytes of the test's before those of the one below.
 */
sqlite3_vfs *pass_install(sqlite3_vfs *vfs, const char *name, size_t file_size);
void pass_remove(sqlite3_vfs *vfs);
