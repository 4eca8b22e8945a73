/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What org.pasidd1.Consumer's methods do; the rights are settled before.
 */
#pragma once

#include "bus/call.h"

int consumer_method_alloc(struct call *call);
int consumer_method_alloc_many(struct call *call);
int consumer_method_free(struct call *call);
int consumer_method_free_many(struct call *call);
int consumer_method_free_token(struct call *call);
int consumer_method_find(struct call *call);
int consumer_method_set_private(struct call *call);
int consumer_method_list(struct call *call);
int consumer_method_exit(struct call *call);
/* The mediated mode */
int consumer_method_attach(struct call *call);
int consumer_method_detach(struct call *call);
int consumer_method_map(struct call *call);
/* What can be told of Map's arguments, and of the option "map", without a look at the memory. */
int consumer_check_mapping(const struct kernel_mapping *m, struct refusal *refusal);
int consumer_method_unmap(struct call *call);
