/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libpasid: PASIDs (PCIe Process Address Space IDs) from pasidd, the host's
 * authority for them. A program makes a client, becomes a consumer, and draws
 * numbers from the consumer's range.
 *
 * Sources: PCIe 6.20 is "PASID TLP Prefix" of the PCI Express Base
 * Specification r6.0; iommu_pasid_*() are the functions of the allocator that
 * was proposed for the kernel in 2018, whose job each call here does.
 *
 * Return values. Functions that return int give 0, or a positive value where
 * said so, or a negative errno; ret_ arguments are not touched on failure.
 * pasid_strerror_last() has the sentence that goes with the last failure.
 *
 * Errors of any call. Each function that asks the daemon can also fail with
 *   EINVAL        an argument is NULL that must not be, or outside its type's
 *                 values, or the daemon found it malformed
 *   E2BIG         a newer struct than this library knows has members set
 *   EACCES        the caller may not do this, or the message bus forbids it
 *   ENOTCONN      the connection is gone: see pasid_client_reconnect()
 *   ECONNRESET    the connection was lost during this call
 *   ECONNREFUSED  nobody serves org.pasidd1 on the message bus
 *   ETIMEDOUT     no answer within the client's timeout
 *   EOPNOTSUPP    the daemon does not know the call, or not in this version
 *   ENOBUFS       a limit of daemon, bus or kernel is reached
 *   EBADMSG       the daemon's answer is not of the contract's form
 *   EPROTO        an error that is none of the contract's
 *   EIO           the daemon's table cannot be read or written
 *   ENOMEM        out of memory
 *   ECHILD        the client was made before a fork(), and this is the child
 * These are meant by "any call" below.
 *
 * Blocking. Those functions send one request and wait for its answer, at most
 * the client's timeout; longer where said so. They can be called from an event
 * loop that also runs pasid_client_process(), and from within callbacks.
 *
 * Threads. A client and its consumers may be used by one thread at a time.
 * Different clients share nothing.
 *
 * Structs with a size. Where the caller fills one in, size is the sizeof() it
 * was compiled with, which PASID_*_INIT sets. Only the first size bytes are
 * read or written. A size below that of version 0.1 is EINVAL. A size above
 * this library's is fine: in an input the bytes that this library does not
 * know must be zero (E2BIG otherwise), in an output they are set to zero.
 * Where the library passes one to a callback, size is the library's: members
 * beyond it are not there.
 */
#ifndef PASID_PASID_H
#define PASID_PASID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* PCIe 6.20: at most 20 bits. 0 tags the device's own DMA and is never given out. */
#define PASID_MIN 1U
#define PASID_MAX 0xfffffU
/* Bytes of private data that can be kept with a PASID. */
#define PASID_PRIVATE_MAX 4096U

/* A connection to the daemon. */
struct pasid_client;
/* A handle for one consumer. It holds no resource of the daemon: freeing it ends nothing. */
struct pasid_consumer;

struct pasid_client_options {
        size_t size;
        /*
         * "system": the system bus; "bus:ADDRESS": the message bus at that
         * D-Bus address; else the D-Bus address of a daemon's own socket, as
         * "unix:path=/run/pasidd/pasidd.sock". NULL: $PASIDD_ADDRESS if set
         * (and not in a set-user-ID program), else the standard socket if it
         * can be connected to, else the system bus.
         */
        const char *address;
        uint64_t timeout_usec; /* per call, and for connecting; 0: 25 s; UINT64_MAX: none */
        /*
         * polkit may ask somebody for a password before it answers for the
         * caller of pasid_consumer_init(), pasid_consumer_accept(),
         * pasid_attach(), pasid_alloc() with attach, or of a function that
         * opens a device; for programs that people wait at. A timeout_usec of
         * 0 is 150 s for those calls then.
         */
        bool interactive;
};
#define PASID_CLIENT_OPTIONS_INIT { sizeof(struct pasid_client_options), NULL, 0, false }

/*
 * Connects to the daemon, on a connection that nobody else uses.
 * options: NULL for the defaults. *ret: to be freed with pasid_client_free().
 * ECONNREFUSED nobody listens at the address; EACCES no permission to connect;
 * ETIMEDOUT no connection within the timeout; ECONNRESET hung up on meanwhile;
 * EINVAL ret is NULL, or malformed options or address; E2BIG see above; ENOMEM;
 * EPROTO and others of connect(2). There is no client to ask for a sentence:
 * pasid_strerror() has a short text. On a message bus success does not say
 * that the daemon runs: the first call starts it, or tells.
 * Blocks up to the timeout. Any thread. Since 0.1.
 */
int pasid_client_new(const struct pasid_client_options *options, struct pasid_client **ret);

/*
 * Closes the connection and frees the client; NULL is fine. Returns NULL.
 * The daemon ends the consumers that this connection holds. Handles of
 * consumers stay to be freed; calls with them give ENOTCONN. In the child of a
 * fork() it closes the child's copy of the socket, without which the daemon
 * would not see the parent die, and leaves the parent's connection alone.
 * Not from within callbacks of pasid_client_process(). Does not block. Since 0.1.
 */
struct pasid_client *pasid_client_free(struct pasid_client *client);

/*
 * Makes a new connection to the address that the client had, in place of the
 * old one, broken or not. Consumer handles stay valid; a subscription is
 * renewed (events in between are lost); numbers of allocations with unknown
 * outcome are given back (see pasid_alloc()). The daemon ends consumers that
 * an old connection held, unless it was the daemon that restarted. On failure
 * the client is left without a connection, and this may be called again.
 * The file descriptor of pasid_client_get_fd() changes.
 * Errors of pasid_client_new(), and of pasid_subscribe() where subscribed.
 * Blocks up to the timeout, twice where subscribed. Since 0.1.
 */
int pasid_client_reconnect(struct pasid_client *client);

/*
 * For event loops: the file descriptor to poll, the events to poll for
 * (POLLIN and POLLOUT as in poll(2)), and the moment (CLOCK_MONOTONIC, in
 * microseconds; UINT64_MAX: never; 0: at once) at which pasid_client_process()
 * wants to be called even if nothing happened. All three can change with every
 * call of this library: ask again before each wait. The descriptor stays the
 * client's: neither read nor close it. The first two return it, or them.
 * EINVAL client or ret_usec is NULL; ENOTCONN the connection is gone; ECHILD.
 * Never block. Since 0.1.
 */
int pasid_client_get_fd(struct pasid_client *client);
int pasid_client_get_events(struct pasid_client *client);
int pasid_client_get_timeout(struct pasid_client *client, uint64_t *ret_usec);

/*
 * Reads and writes what is ready, and calls the callback of pasid_subscribe()
 * for an event. 1: did something, call again; 0: nothing to do until poll(2)
 * says so. Callbacks run in here and nowhere else.
 * ECONNRESET or ENOTCONN the connection is gone, and all events delivered; a
 * negative value that the callback returned; errors of pasid_subscribe() when a
 * restarted daemon refused to renew it; EINVAL client is NULL; ENOMEM; ECHILD.
 * Never blocks by itself. Not from within its own callbacks (EBUSY). Since 0.1.
 */
int pasid_client_process(struct pasid_client *client);

/*
 * The address that was connected to, in the words of pasid_client_options. The
 * string is the client's, valid until it is freed. NULL if client is NULL.
 * Never blocks. Since 0.1.
 */
const char *pasid_client_get_address(struct pasid_client *client);

/*
 * The last failure of a call with this client or its consumers, as a sentence:
 * the daemon's own where it said one (what was asked, what stood in the way,
 * what would help), in English. Successful calls leave it alone. Never NULL: ""
 * before the first failure, a fixed text if client is NULL. The string is the
 * client's, valid until the next failure or its end. Never blocks. Since 0.1.
 */
const char *pasid_strerror_last(struct pasid_client *client);

/*
 * A short fixed text for an error of this library, of either sign. Never NULL.
 * Any thread. Since 0.1.
 */
const char *pasid_strerror(int error);

/*
 * The contract's name for an error of either sign: "Exhausted", "CoolingDown",
 * "AccessDenied"; NULL for one that has none. A fixed string. Any thread. Since 0.1.
 */
const char *pasid_error_name(int error);

/* What keeps a consumer alive. When it ends, the consumer ends as by pasid_consumer_exit(). */
enum pasid_hold {
        PASID_HOLD_DEFAULT = 0, /* the daemon's: the connection. In answers: one that this library does not know */
        PASID_HOLD_CONNECTION,  /* this client's connection */
        PASID_HOLD_FD,          /* hold_fd, until it hangs up or becomes readable: a pipe's end, a socket, a pidfd, an eventfd */
        PASID_HOLD_PROCESS,     /* the process hold_pid, pinned at once, until it has ended */
        PASID_HOLD_UNIT,        /* the unit or cgroup hold_unit, until it has no process */
        PASID_HOLD_BOOT,        /* until exit or reboot */
        PASID_HOLD_PERSISTENT   /* until exit; survives a reboot; root only */
};

enum pasid_mode {
        PASID_MODE_UNKNOWN = -1, /* of a newer daemon */
        PASID_MODE_ADVISORY = 0, /* the program attaches by itself; the daemon keeps the numbers */
        PASID_MODE_MEDIATED      /* the daemon attaches, maps and detaches */
};

enum pasid_state {
        PASID_STATE_UNKNOWN = 0, /* of a newer daemon */
        PASID_STATE_ALLOCATED,
        PASID_STATE_ATTACHED, /* the daemon attached it to its devices */
        PASID_STATE_COOLING,  /* freed, and kept back for a while, as nobody proved it detached */
        PASID_STATE_RESERVED, /* of a persistent consumer, from before the boot; not attached */
        PASID_STATE_LOST      /* its device went away */
};

/*
 * The contract's words: "allocated", "boot", "advisory" and so on; "unknown" and
 * "default" for the first of each. NULL for a value outside the enum. Fixed
 * strings. Any thread. Since 0.1.
 */
const char *pasid_state_to_string(enum pasid_state state);
const char *pasid_hold_to_string(enum pasid_hold hold);
const char *pasid_mode_to_string(enum pasid_mode mode);

struct pasid_consumer_options {
        size_t size;
        /* NULL-terminated array of PCI addresses ("0000:01:00.0"); NULL or empty: numbers unique on the whole host */
        const char *const *devices;
        uint32_t min, max;     /* PASID_MIN..PASID_MAX, cut to what the devices can; 0: no bound of one's own */
        uint32_t quota;        /* PASIDs at most; 0: the daemon's default */
        enum pasid_hold hold;
        int hold_fd;           /* PASID_HOLD_FD; stays the caller's, and may be closed after the call */
        pid_t hold_pid;        /* PASID_HOLD_PROCESS; the caller's own processes, for root any */
        /* PASID_HOLD_UNIT: a unit of the system's systemd ("x.service"), or a path in the unified cgroup tree as in */
        /* /proc/PID/cgroup; one that the caller is in, or that belongs to its uid, for root any */
        const char *hold_unit;
        enum pasid_mode mode;
        uint32_t reserved;     /* 0 */
};
#define PASID_CONSUMER_OPTIONS_INIT { sizeof(struct pasid_consumer_options), NULL, 0, 0, 0, PASID_HOLD_DEFAULT, -1, 0, NULL, PASID_MODE_ADVISORY, 0 }

/*
 * Becomes a consumer of PASIDs, within the range that the hardware imposes.
 * name: 1 to 128 bytes of UTF-8 without control characters, the caller's to
 * choose: (owner uid, name) is the key. options: NULL for the defaults: no
 * devices, whole range, ending with the connection. *ret: to be freed with
 * pasid_consumer_free(); ret may be NULL.
 * EEXIST the caller has a consumer of that name; EILSEQ invalid name; EDOM
 * min > max, or a bound outside PASID_MIN..PASID_MAX; ERANGE the range is
 * wholly outside what the devices can; ENODEV no such device; EMEDIUMTYPE a
 * device cannot use PASIDs (the sentence says why, and the mend); ENXIO a
 * device is gone; EDQUOT too many consumers, or a quota that only root may
 * ask for; EACCES not root, not in the daemon's group, and polkit refused; or
 * a persistent hold, or another user's process or unit, for non-root; EINVAL
 * mediated mode without a device, or what is to hold it cannot, or is over
 * already; ENOBUFS the daemon has no file descriptors or watches left for
 * another holder; EFBIG the table's file system is full; EOPNOTSUPP a hold that
 * this machine has no means for; any call.
 * If the outcome is unknown (ETIMEDOUT, ECONNRESET) pasid_consumer_get() tells.
 * Source: iommu_pasid_init(), PCIe 6.20. Since 0.1.
 */
int pasid_consumer_init(struct pasid_client *client, const char *name, const struct pasid_consumer_options *options, struct pasid_consumer **ret);

/* The uid of the client as the daemon sees it, who may be another outside of a user namespace. */
#define PASID_UID_SELF ((uid_t) -1)
/* Where a uid says to whom something was given: to nobody. */
#define PASID_UID_NONE ((uid_t) -1)

/*
 * A handle for a consumer that exists. Anybody may look; only owner and root
 * may change or see private data. *ret: to be freed with pasid_consumer_free().
 * ESRCH no such consumer; EILSEQ invalid name; any call. Since 0.1.
 */
int pasid_consumer_get(struct pasid_client *client, uid_t uid, const char *name, struct pasid_consumer **ret);

/*
 * Ends the consumer, whatever holds it: all its PASIDs are freed. The handle
 * stays to be freed with pasid_consumer_free(). What the daemon attached it
 * detaches first. In advisory mode, detach before; such a number cools down
 * before somebody gets it.
 * ESRCH it ended already; EFBIG the table's file system is full; any call.
 * Source: iommu_pasid_exit(). Since 0.1.
 */
int pasid_consumer_exit(struct pasid_consumer *consumer);

/*
 * Offers the consumer to another user, in place of an earlier offer;
 * PASID_UID_NONE withdraws it. Nothing changes until that user accepts. An
 * offer is not kept over a restart of the daemon.
 * EINVAL it is that user's already; ESRCH it has ended; any call.
 * Source: org.pasidd1.Consumer.Transfer. Since 0.1.
 */
int pasid_consumer_transfer(struct pasid_consumer *consumer, uid_t uid);

/*
 * Takes over the consumer of that owner and name, which was offered to the
 * caller: with all its numbers, under the same name. One that its connection
 * held is held by this client's from now on. *ret: to be freed with
 * pasid_consumer_free(); NULL: not wanted. The owner's handles for it are of
 * no use any more: ESRCH.
 * EACCES there is no such offer to the caller, or he may have no consumers, or
 * not attach to its devices (mediated mode); EEXIST the caller has one of that
 * name; EDQUOT his limits on consumers, PASIDs or pinned memory; EILSEQ invalid
 * name; EINVAL no name or owner; EFBIG the table's file system is full; any call.
 * Source: org.pasidd1.Manager.Accept. Since 0.1.
 */
int pasid_consumer_accept(struct pasid_client *client, uid_t uid, const char *name, struct pasid_consumer **ret);

/*
 * Frees the handle, not the consumer; NULL is fine. Returns NULL. May come
 * after pasid_client_free(). Never blocks. Since 0.1.
 */
struct pasid_consumer *pasid_consumer_free(struct pasid_consumer *consumer);

/*
 * Name and owner's uid, the halves of its key. The string is the handle's.
 * NULL and PASID_UID_SELF if consumer is NULL. Never block. Since 0.1.
 */
const char *pasid_consumer_get_name(const struct pasid_consumer *consumer);
uid_t pasid_consumer_get_uid(const struct pasid_consumer *consumer);

/* Strings and arrays here and in all structs below that a callback gets: valid until it returns. */
struct pasid_consumer_info {
        size_t size;
        const char *name;
        uid_t uid;
        const char *const *devices; /* NULL-terminated PCI addresses; never NULL */
        uint32_t min, max;          /* the range in effect */
        uint32_t quota, allocated;
        enum pasid_hold hold;
        enum pasid_mode mode;
        uint64_t since_usec;        /* CLOCK_REALTIME */
        uint64_t pinned_bytes;      /* memory that its maps hold */
        int hold_is_watched;        /* 0: the daemon can't tell now whether its holder is there; it stays */
        uid_t offered_to;           /* who may take it over by pasid_consumer_accept(); PASID_UID_NONE: nobody */
};

/*
 * Callbacks, here and below: 0 goes on, any other value stops and is returned
 * from the function that called back (a negative one looks like an error of
 * this library, a positive one cannot). userdata is passed through. They may
 * call every function of this library but pasid_client_free() of the client.
 */
typedef int (*pasid_consumer_cb)(const struct pasid_consumer_info *info, void *userdata);

/*
 * Calls back once, with the present state of one consumer, or once for each
 * consumer on the host, in no certain order. ESRCH no such consumer (the
 * first); the callback's value; any call. Since 0.1.
 */
int pasid_consumer_describe(struct pasid_consumer *consumer, pasid_consumer_cb callback, void *userdata);
int pasid_consumer_for_each(struct pasid_client *client, pasid_consumer_cb callback, void *userdata);

/* Memory to be mapped as a number is allocated and attached; its members are pasid_map()'s arguments. */
struct pasid_mapping {
        size_t size;
        int memory_fd;   /* stays the caller's */
        uint64_t offset, length;
        uint64_t iova;
        uint32_t flags;  /* with PASID_MAP_FIXED */
};
#define PASID_MAPPING_INIT { sizeof(struct pasid_mapping), -1, 0, 0, 0, 0 }

struct pasid_alloc_options {
        size_t size;
        /*
         * 1 to 64 printable ASCII characters: a repeated request with the same
         * token gives the same numbers. NULL: the library makes one.
         */
        const char *token;
        bool attach;     /* pasid_alloc() only: also attach to the devices, as one step (mediated mode) */
        bool contiguous; /* pasid_alloc_many() only: consecutive numbers */
        uint32_t align;  /* pasid_alloc_many() only, with contiguous: the first is a multiple of it; a power of two; 0: any */
        const struct pasid_mapping *map; /* pasid_alloc() only: attach, and map this, in the same step; NULL: nothing */
};
#define PASID_ALLOC_OPTIONS_INIT { sizeof(struct pasid_alloc_options), NULL, false, false, 0, NULL }

/*
 * One PASID, or count of them (all or none), from min..max (both included) of
 * the consumer's range; 0, 0: from all of it; min = max: that number. A freed
 * number comes back as late as possible; if one in the range is free, it is
 * found. When this returns 0 the allocation is in the daemon's table.
 * private_data: private_size bytes to be kept with each number, 0 to
 * PASID_PRIVATE_MAX; NULL if private_size is 0; read by owner and root only.
 * options: NULL for the defaults. count: 1..PASID_MAX. ret_pasids: room for
 * count numbers, filled in ascending order for contiguous ones.
 * EDOM min > max, a bound outside PASID_MIN..PASID_MAX, or a range of fewer
 * than count numbers; ENXIO a device of the consumer is gone; ERANGE outside the
 * consumer's range; ENOSPC none free, or too few; EADDRINUSE the one number
 * asked for is taken; EAGAIN only numbers that cool down are left (the sentence
 * says until when); EDQUOT the consumer's or the uid's limit; EMSGSIZE
 * private_size; ESRCH no such consumer; EFBIG the table's file system is full;
 * EINVAL count, token or align, or the token was used for another count; with
 * attach also what pasid_attach() can fail with, with map what pasid_map() can,
 * and then nothing is allocated; EINVAL map without PASID_MAP_FIXED; any call.
 * A repeated call with the token takes a mapping of the same address and length
 * for the one that it asks for.
 * Unknown outcome: after ETIMEDOUT, ECONNRESET, EBADMSG, EPROTO, ENOBUFS or
 * ENOMEM the daemon may have allocated. With a token of the caller's, repeat
 * the call with it. Without, nothing is left to do: the library asks the daemon
 * to free what that request got, at once, and again after
 * pasid_client_reconnect().
 * Source: iommu_pasid_alloc(); PCIe 6.20. Since 0.1.
 */
int pasid_alloc(struct pasid_consumer *consumer, uint32_t min, uint32_t max, const void *private_data, size_t private_size,
                const struct pasid_alloc_options *options, uint32_t *ret_pasid);
int pasid_alloc_many(struct pasid_consumer *consumer, uint32_t count, uint32_t min, uint32_t max, const void *private_data,
                     size_t private_size, const struct pasid_alloc_options *options, uint32_t *ret_pasids);

/*
 * Frees one PASID, or n_pasids of them (all or none; 0 asks nothing). Never
 * fails for an allocated number of one's own; attached or not, it is detached
 * first where the daemon attached it, and what was mapped is unmapped. In
 * advisory mode, detach it first.
 * ENOENT a number is not allocated to this consumer; ESRCH no such consumer;
 * EINVAL a number is named twice, or n_pasids > PASID_MAX; EFBIG the table's
 * file system is full; any call. Source: iommu_pasid_free(). Since 0.1.
 */
int pasid_free(struct pasid_consumer *consumer, uint32_t pasid);
int pasid_free_many(struct pasid_consumer *consumer, const uint32_t *pasids, size_t n_pasids);

struct pasid_info {
        size_t size;
        uint32_t pasid;
        enum pasid_state state;
        uint64_t since_usec;    /* of the state; CLOCK_REALTIME */
        uint32_t private_bytes; /* kept with it; 0 where the caller may not know */
        uid_t uid;              /* the consumer's owner */
        const char *consumer;   /* its name */
};
#define PASID_INFO_INIT { sizeof(struct pasid_info), 0, PASID_STATE_UNKNOWN, 0, 0, 0, NULL }

/*
 * The private data of a PASID, and what is known of it. *ret_private: to be
 * freed with free(); NULL if there is none. Each ret may be NULL, ret_private
 * and ret_private_size only together. ret_info: to be set to PASID_INFO_INIT
 * before; its string lives as long as the handle.
 * ENOENT not allocated to this consumer (or cooling); ESRCH no such consumer;
 * EACCES neither owner nor root; any call.
 * Source: iommu_pasid_find(). Since 0.1.
 */
int pasid_find(struct pasid_consumer *consumer, uint32_t pasid, void **ret_private, size_t *ret_private_size, struct pasid_info *ret_info);

/*
 * Replaces the private data of a PASID; 0 bytes: removes it.
 * ENOENT, ESRCH as above; EMSGSIZE above PASID_PRIVATE_MAX; EFBIG the table's
 * file system is full; any call. Since 0.1.
 */
int pasid_set_private(struct pasid_consumer *consumer, uint32_t pasid, const void *private_data, size_t private_size);

typedef int (*pasid_cb)(const struct pasid_info *info, void *userdata);

/*
 * Calls back for each PASID of the consumer, cooling ones too, in ascending
 * order, from pages of 4096: memory does not grow with their number, and what
 * changes meanwhile may or may not be seen. The callback may free the number at
 * hand, or any other. The first value other than 0 that it returns ends the
 * walk and is returned. ESRCH no such consumer; any call.
 * Blocks up to the timeout for each page. Source: iommu_pasid_for_each(). Since 0.1.
 */
int pasid_for_each(struct pasid_consumer *consumer, pasid_cb callback, void *userdata);

/*
 * One page: up to limit PASIDs (1 or more; the daemon may give fewer, as it
 * gives at most 4096) above after (0: from the first), ascending. ret_infos:
 * room for limit structs, the first one's size set to the sizeof() of each;
 * strings live as long as the handle. *ret_n: how many; *ret_more: whether
 * there are more, above the last one; may be NULL.
 * ESRCH no such consumer; any call. Since 0.1.
 */
int pasid_list(struct pasid_consumer *consumer, uint32_t after, uint32_t limit, struct pasid_info *ret_infos, size_t *ret_n, bool *ret_more);

/*
 * As pasid_for_each(), for every consumer on the host; consumers that ended
 * and have numbers cooling too. In the order of consumers' age, then numbers.
 * Any call. Blocks up to the timeout for each page. Since 0.1.
 */
int pasid_client_for_each(struct pasid_client *client, pasid_cb callback, void *userdata);

struct pasid_holder {
        size_t size;
        uid_t uid;
        const char *consumer;
        enum pasid_state state;
        uint64_t since_usec;        /* CLOCK_REALTIME */
        const char *const *devices; /* NULL-terminated PCI addresses; empty: the whole host */
};
typedef int (*pasid_holder_cb)(const struct pasid_holder *holder, void *userdata);

/*
 * Calls back for each consumer that holds the number: several can, on devices
 * of different IOMMU groups. None: 0 without a call.
 * EDOM, ERANGE outside PASID_MIN..PASID_MAX; the callback's value; any call. Since 0.1.
 */
int pasid_who_has(struct pasid_client *client, uint32_t pasid, pasid_holder_cb callback, void *userdata);

struct pasid_past_holder {
        size_t size;
        uid_t uid;
        const char *consumer;
        uint64_t since_usec, until_usec; /* CLOCK_REALTIME: allocated, and no longer held */
        const char *reason;         /* why it ended: "freed", "exit", "holder-gone", "device-gone", "transferred" or another word */
        const char *const *devices; /* NULL-terminated PCI addresses; empty: the whole host */
};
typedef int (*pasid_past_holder_cb)(const struct pasid_past_holder *holder, void *userdata);

/*
 * Calls back for each consumer that held the number before, the last one
 * first, as far as the daemon's history goes: it is bounded (HistoryPerPasid=
 * and HistoryEntries= of pasidd.conf), and that of consumers that don't
 * survive a reboot ends with the boot. None: 0 without a call.
 * EDOM, ERANGE outside PASID_MIN..PASID_MAX; EIO the table could not be read;
 * the callback's value; any call. Since 0.1.
 */
int pasid_history(struct pasid_client *client, uint32_t pasid, pasid_past_holder_cb callback, void *userdata);

/* Strings are never NULL, but "" where there is nothing to say. */
struct pasid_device {
        size_t size;
        const char *address; /* "0000:01:00.0" */
        const char *name;    /* vendor and device */
        const char *driver;
        const char *cdev;    /* the VFIO character device */
        const char *reason;  /* why PASIDs cannot be used here, and the mend */
        const char *held;    /* who has it open: "mediated": the daemon; "tenant": who called pasid_device_open() */
        bool usable;
        uint32_t iommu_group; /* UINT32_MAX: none */
        uint32_t pci_width, iommu_width; /* bits; PCIe 6.20, and the IOMMU's own */
        uint32_t max_pasid;   /* what both allow; 0: none */
        uint32_t allocated, attached;
};
typedef int (*pasid_device_cb)(const struct pasid_device *device, void *userdata);

/*
 * Calls back for each PCI device that the daemon knows, in no certain order.
 * The callback's value; any call. Since 0.1.
 */
int pasid_device_for_each(struct pasid_client *client, pasid_device_cb callback, void *userdata);

enum pasid_finding_type {
        PASID_FINDING_UNKNOWN = 0,     /* of a newer daemon */
        PASID_FINDING_NOT_IN_KERNEL,   /* attached says the table, and the IOMMU's own table does not */
        PASID_FINDING_NOT_IN_TABLE,    /* the IOMMU has a number that the daemon's table does not have attached */
        PASID_FINDING_DEVICE_NOT_HELD, /* attached says the table, and the daemon does not have the device open */
        PASID_FINDING_DEVICE_GONE,     /* the table speaks of a device that went away */
        PASID_FINDING_SKIPPED,         /* no drift: the device could not be looked at */
        PASID_FINDING_NOT_HEALTHY      /* no drift: the daemon's tables or descriptors can't do their work */
};
/*
 * The contract's words: "not-in-kernel" and so on; "unknown", "skipped". NULL
 * for a value outside the enum. Fixed strings. Any thread. Since 0.1.
 */
const char *pasid_finding_type_to_string(enum pasid_finding_type type);

struct pasid_finding {
        size_t size;
        enum pasid_finding_type type;
        const char *device;   /* PCI address; NULL where it is about none */
        uid_t uid;            /* the consumer's owner, and its name; PASID_UID_SELF and NULL where it is about none */
        const char *consumer;
        uint32_t pasid;       /* 0: none */
        const char *text;     /* what is wrong, or why it could not be looked at, as a sentence */
};
typedef int (*pasid_finding_cb)(const struct pasid_finding *finding, void *userdata);

/*
 * Has the daemon look whether its tables take a change and its descriptors are
 * open, and compare what it knows as attached with the devices that it has
 * open, and with the IOMMUs' own tables where the kernel shows them (debugfs);
 * calls back for each fault and difference, then for each device that could
 * not be looked at. Nothing found: 0 without a call, or for the last kind only.
 * EACCES not root; the callback's value; any call. Since 0.1.
 */
int pasid_check(struct pasid_client *client, pasid_finding_cb callback, void *userdata);

enum pasid_event_type {
        PASID_EVENT_ALLOCATED = 1,
        PASID_EVENT_FREED,            /* the end of its holding, even if it cools first */
        PASID_EVENT_CONSUMER_ADDED,
        PASID_EVENT_CONSUMER_REMOVED,
        PASID_EVENT_RESTARTED,        /* the daemon restarted on the message bus: events may be missing, list anew */
        PASID_EVENT_OVERFLOW,         /* 65536 events waited for pasid_client_process() and were dropped: list anew */
        PASID_EVENT_LOST,             /* its device went away: detached, in state PASID_STATE_LOST until it is freed */
        PASID_EVENT_DEVICE_REQUESTED  /* the kernel wants the device back: stop using it, at the latest at the deadline */
};
struct pasid_event {
        size_t size;
        enum pasid_event_type type;
        uid_t uid;             /* the consumer's owner, and its name; PASID_UID_SELF and NULL where it is about none */
        const char *consumer;
        uint32_t pasid;        /* ALLOCATED, FREED and LOST; else 0 */
        const char *reason;    /* FREED: "freed", "exit", "holder-gone", "device-gone", "attach-failed"; LOST: "device-gone"; or another word; else NULL */
        const char *device;    /* DEVICE_REQUESTED: PCI address; else NULL */
        uint64_t deadline_usec; /* DEVICE_REQUESTED: CLOCK_REALTIME; else 0 */
};
/* 0, or a negative errno that pasid_client_process() is to return. */
typedef int (*pasid_event_cb)(const struct pasid_event *event, void *userdata);

/*
 * From now on pasid_client_process() calls back for each allocation, end of an
 * allocation, consumer that comes or goes, and device that the kernel wants
 * back, on the whole host, after it is in the table. A second call replaces callback and userdata. Newer types may
 * come up: ignore unknown ones. Any call. Since 0.1.
 */
int pasid_subscribe(struct pasid_client *client, pasid_event_cb callback, void *userdata);

/*
 * The opposite; no callback comes after it, whatever it returns. 0 if there
 * was no subscription. Any call. Since 0.1.
 */
int pasid_unsubscribe(struct pasid_client *client);

struct pasid_status {
        size_t size;
        const char *version;         /* the daemon's */
        uint32_t pasids, consumers;  /* live now, on the host */
        const char *boot_id;
        const char *table;           /* path of this boot's table */
        uint32_t restored_kept;      /* attached PASIDs of an earlier pasidd that this one took over, */
        uint32_t restored_detached;  /* that are only allocated since it started, */
        uint32_t restored_lost;      /* and whose device was gone when it started */
};
#define PASID_STATUS_INIT { sizeof(struct pasid_status), NULL, 0, 0, NULL, NULL, 0, 0, 0 }

/*
 * The daemon's status. ret: to be set to PASID_STATUS_INIT before; its strings
 * are the client's, never NULL, valid until the next call of this function or
 * the client's end. Any call. Since 0.1.
 */
int pasid_get_status(struct pasid_client *client, struct pasid_status *ret);

/*
 * One number of what the daemon measures, in the words of OpenMetrics: its
 * family, that family's type and help, what follows the family's name in its
 * own ("", "_total", "_bucket"), labels, value.
 */
struct pasid_metric {
        size_t size;
        const char *family, *type, *help, *suffix;
        const char *const *labels; /* keys and values in turn, NULL-terminated */
        double value;
};
typedef int (*pasid_metric_cb)(const struct pasid_metric *metric, void *userdata);

/*
 * Calls back for each, those of a family together. Which there are is no part
 * of this interface: pasidctl(1) lists them.
 * EACCES neither root nor in the daemon's group; the callback's value; any
 * call. Since 0.1.
 */
int pasid_metric_for_each(struct pasid_client *client, pasid_metric_cb callback, void *userdata);

/*
 * Mediated mode: puts a PASID to use on all devices of its consumer, with an
 * address space of its own, in which nothing is mapped yet; and the opposite,
 * which ends all its mappings too. A device that nobody used is opened for it.
 * ENOENT the number is not allocated to this consumer; EADDRINUSE it is
 * attached; ENOLINK (pasid_detach()) it is not; EPROTOTYPE the consumer is not
 * mediated; EBUSY a device is in reset, or somebody else has it open; ENXIO a
 * device is gone; EMEDIUMTYPE the device, its driver or its IOMMU cannot, or
 * the daemon itself may not open the device; ENOBUFS the IOMMU has no room for
 * another page table; EACCES the caller may not use the device; ESRCH no such
 * consumer; EFBIG the table's file system is full; any call. On failure nothing was attached.
 * Unknown outcome (ETIMEDOUT, ECONNRESET): pasid_find() has the state.
 * Source: VFIO_DEVICE_ATTACH_IOMMUFD_PT, IOMMU_HWPT_ALLOC_PASID. Since 0.1.
 */
int pasid_attach(struct pasid_consumer *consumer, uint32_t pasid);
int pasid_detach(struct pasid_consumer *consumer, uint32_t pasid);

/* Flags of pasid_map(): what the devices may do there, one or both, and who chooses the address. */
#define PASID_MAP_READ (1U << 0)
#define PASID_MAP_WRITE (1U << 1)
#define PASID_MAP_FIXED (1U << 2) /* at iova, the caller's choice; else iova is 0 and the kernel chooses */

/*
 * Lets the devices reach length bytes of memory_fd, from offset on, through an
 * attached PASID, at the I/O virtual addresses from *ret_iova on. memory_fd: a
 * memfd with the seal F_SEAL_SHRINK, or a file on tmpfs or hugetlbfs; open for
 * writing, and not sealed against it, where the devices may write. It stays
 * the caller's, and may be closed after the call: the memory stays mapped,
 * and pinned, until pasid_unmap(), pasid_detach() or the number's end. offset,
 * length and iova: multiples of the page size. ret_iova: NULL only with
 * PASID_MAP_FIXED. Holes in the file are filled. Those punched into it later
 * (FALLOC_FL_PUNCH_HOLE, which F_SEAL_SHRINK does not keep off), and truncating
 * a plain file, which has no such seal, part it from the devices' view, which
 * keeps the old pages.
 * EINVAL memory_fd is not such a file; or offset, length, iova or flags are
 * none, not whole pages, or past the end of the file or the devices' addresses;
 * EADDRINUSE something is mapped in that range; ENOLINK the number is not
 * attached; EPROTOTYPE the consumer is not mediated; EDQUOT more bytes than the
 * consumer or its owner may pin; ENOENT the number is not allocated to this
 * consumer; ENXIO a device is gone; ESRCH no such consumer; EFBIG the table's
 * file system is full; EOPNOTSUPP the connection cannot pass descriptors; any
 * call. Unknown outcome (ETIMEDOUT, ECONNRESET): pasid_unmap() what was asked
 * for with PASID_MAP_FIXED, or pasid_detach().
 * Source: IOMMU_IOAS_MAP_FILE. Since 0.1.
 */
int pasid_map(struct pasid_consumer *consumer, uint32_t pasid, int memory_fd, uint64_t offset, uint64_t length, uint64_t iova,
              uint32_t flags, uint64_t *ret_iova);

/*
 * Ends the mappings that lie in length bytes from iova on. *ret_unmapped: how
 * many bytes that were; may be NULL. When this returns, the devices reach the
 * memory there no more.
 * EINVAL nothing is mapped there, or a part of a mapping only; ENOLINK,
 * EPROTOTYPE, ENOENT, ENXIO, ESRCH, EFBIG as for pasid_map(); any call.
 * Source: IOMMU_IOAS_UNMAP. Since 0.1.
 */
int pasid_unmap(struct pasid_consumer *consumer, uint32_t pasid, uint64_t iova, uint64_t length, uint64_t *ret_unmapped);

/*
 * Opens a device for a program that attaches by itself (advisory mode): its
 * VFIO character device, not yet bound, and an iommufd of its own. Nobody else
 * gets the device from the daemon for as long as this connection lasts, and
 * then until the kernel says that it is closed. Asked again EBUSY is answered,
 * but after a restart of the daemon, which may have taken the reply along, for
 * as long as the caller has not bound it. Go on with pasid_vfio_new().
 * address: a PCI address. *ret_device, *ret_iommufd: close-on-exec, to be
 * closed by the caller.
 * EINVAL address is none; ENODEV no such device; EMEDIUMTYPE it cannot use
 * PASIDs, or the daemon itself may not open it (the sentence says why, and the
 * mend); EBUSY somebody has it open, or its reset does not end;
 * ENXIO it is gone; EFBIG the table has no room to note whose it is; EACCES
 * the caller may not use it; EOPNOTSUPP the connection cannot pass
 * descriptors; any call; errors of fcntl(2).
 * Source: VFIO_DEVICE_BIND_IOMMUFD's two descriptors. Since 0.1.
 */
int pasid_device_open(struct pasid_client *client, const char *address, int *ret_device, int *ret_iommufd);

/*
 * The same for as long as the consumer lasts, and not the connection: for a
 * program that starts another, which the two descriptors are for, and a
 * consumer that this one's end will end (PASID_HOLD_FD with its pidfd).
 * ESRCH no such consumer; EACCES also for a consumer of somebody else's; and
 * those of pasid_device_open(). Since 0.1.
 */
int pasid_consumer_open_device(struct pasid_consumer *consumer, const char *address, int *ret_device, int *ret_iommufd);

/* A device and an iommufd of the caller's, bound to each other, and the PASIDs that were attached here. */
struct pasid_vfio;

/*
 * For programs that attach by themselves. The kernel replaces what is attached
 * without a word, takes PASID 0 for the device itself, and lets numbers be
 * attached to no effect where the IOMMU cannot tag them: these functions
 * refuse all that. They know only of what was attached through them: attach
 * and detach PASIDs of the device in no other way. They ask no daemon;
 * pasid_strerror() has texts for their errors. One thread at a time for each
 * struct pasid_vfio.
 *
 * pasid_vfio_new() binds the device to the iommufd (once for each time that
 * the device is opened: also after a failure of this function, open it
 * anew); pasid_vfio_new_bound() takes one that is bound, as device_id of the
 * iommufd. Both ask for the width of PASIDs. The descriptors stay the caller's,
 * to be closed after pasid_vfio_free(). *ret: to be freed with that.
 * EINVAL ret is NULL, a descriptor is not what it should be, or device_id is
 * none of the iommufd's; EBUSY the device is bound already, is in reset, an
 * earlier user has memory of it mapped still, or somebody uses another device
 * of its IOMMU group; EMEDIUMTYPE the IOMMU has no PASIDs for the device, the
 * kernel is older than Linux 6.15, or a virtual function needs a token; ENXIO
 * the device is gone; ENOMEM; EPROTO the kernel failed in another way.
 * Can block for as long as the kernel opens or resets the device.
 * Source: VFIO_DEVICE_BIND_IOMMUFD, IOMMU_GET_HW_INFO. Since 0.1.
 */
int pasid_vfio_new(int device_fd, int iommufd, struct pasid_vfio **ret);
int pasid_vfio_new_bound(int device_fd, int iommufd, uint32_t device_id, struct pasid_vfio **ret);

/*
 * Detaches what is attached, and frees; NULL is fine. Returns NULL. The device
 * stays bound until it is closed. Since 0.1.
 */
struct pasid_vfio *pasid_vfio_free(struct pasid_vfio *vfio);

/*
 * The greatest PASID that device and IOMMU can, and the device's id in the
 * iommufd. 0 if vfio is NULL. Never block. Since 0.1.
 */
uint32_t pasid_vfio_max_pasid(const struct pasid_vfio *vfio);
uint32_t pasid_vfio_device_id(const struct pasid_vfio *vfio);

/*
 * Attaches a PASID to a page table of its own over ioas_id, an I/O address
 * space (IOAS) of the iommufd: what is mapped there, now and later, the device
 * reaches with that PASID. And the opposite; should pasid_vfio_detach() fail,
 * call it again.
 * EDOM pasid is 0 or above PASID_MAX; ERANGE above pasid_vfio_max_pasid();
 * EADDRINUSE it is attached here; ENOLINK (pasid_vfio_detach()) it is not;
 * EINVAL vfio is NULL, or ioas_id is none, or maps memory that cannot be
 * pinned, as its file has shrunk; EBUSY the device is in reset; EMEDIUMTYPE
 * driver or IOMMU cannot attach PASIDs, or the device itself is attached
 * without IOMMU_HWPT_ALLOC_PASID; ENXIO the device is gone, or not bound any
 * more; ENOBUFS the IOMMU or a file system is full; ENOMEM no memory, or none
 * that may be locked; EPROTO the kernel failed in another way. If
 * pasid_vfio_attach() fails nothing is attached.
 * Source: VFIO_DEVICE_ATTACH_IOMMUFD_PT, IOMMU_HWPT_ALLOC. Since 0.1.
 */
int pasid_vfio_attach(struct pasid_vfio *vfio, uint32_t pasid, uint32_t ioas_id);
int pasid_vfio_detach(struct pasid_vfio *vfio, uint32_t pasid);

#ifdef __cplusplus
}
#endif

#endif
