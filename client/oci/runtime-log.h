/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where people see why a container did not start.
 */
#pragma once

/*
 * crun says of a hook that failed no more than its path and status, drops what
 * the hook says itself, and podman shows the one message that it finds in crun's
 * log. So the sentence is put on crun's stderr, and into its log if that is
 * empty still. Does nothing under other runtimes, and fails silently: the hook
 * has written the sentence to its own stderr.
 */
void runtime_log_sentence(const char *sentence);
