/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The consumer that a container has: named after the container's id, as far as
 * an id can be a name.
 */
#pragma once

/*
 * An id that can be a consumer's name is it. Otherwise bytes that no name can
 * have, and '%', are written %XX; what is longer than a name may be then is cut
 * and ends in '~' and 16 hexadecimal digits made of the whole id. Ids that are
 * not cut have names of their own.
 * *ret: to be freed with free(). 0; -EINVAL the id is empty; -ENOMEM.
 */
int container_consumer_name(const char *id, char **ret);
