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
 *   ENOBUFS       a limit of daemon or bus is reached
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
};
#define PASID_CLIENT_OPTIONS_INIT { sizeof(struct pasid_client_options), NULL, 0 }

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
        PASID_HOLD_FD,          /* hold_fd, until it hangs up or becomes readable: a pipe's read end, a pidfd */
        PASID_HOLD_PROCESS,     /* the process hold_pid, pinned at once */
        PASID_HOLD_UNIT,        /* the systemd unit or cgroup hold_unit */
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
        pid_t hold_pid;        /* PASID_HOLD_PROCESS */
        const char *hold_unit; /* PASID_HOLD_UNIT */
        enum pasid_mode mode;
};
#define PASID_CONSUMER_OPTIONS_INIT { sizeof(struct pasid_consumer_options), NULL, 0, 0, 0, PASID_HOLD_DEFAULT, -1, 0, NULL, PASID_MODE_ADVISORY }

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
 * a persistent hold for non-root; EFBIG the table's file system is full;
 * EOPNOTSUPP a hold or mode of a later version; any call.
 * If the outcome is unknown (ETIMEDOUT, ECONNRESET) pasid_consumer_get() tells.
 * Source: iommu_pasid_init(), PCIe 6.20. Since 0.1.
 */
int pasid_consumer_init(struct pasid_client *client, const char *name, const struct pasid_consumer_options *options, struct pasid_consumer **ret);

/* The uid that the client had when it connected. */
#define PASID_UID_SELF ((uid_t) -1)

/*
 * A handle for a consumer that exists. Anybody may look; only owner and root
 * may change or see private data. *ret: to be freed with pasid_consumer_free().
 * ESRCH no such consumer; EILSEQ invalid name; any call. Since 0.1.
 */
int pasid_consumer_get(struct pasid_client *client, uid_t uid, const char *name, struct pasid_consumer **ret);

/*
 * Ends the consumer, whatever holds it: all its PASIDs are freed. The handle
 * stays to be freed with pasid_consumer_free(). Detach before: a number that
 * the daemon did not detach itself cools down before somebody gets it.
 * ESRCH it ended already; EFBIG the table's file system is full; any call.
 * Source: iommu_pasid_exit(). Since 0.1.
 */
int pasid_consumer_exit(struct pasid_consumer *consumer);

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

struct pasid_alloc_options {
        size_t size;
        /*
         * 1 to 64 printable ASCII characters: a repeated request with the same
         * token gives the same numbers. NULL: the library makes one.
         */
        const char *token;
        bool attach;     /* also attach to the devices, as one step (mediated mode) */
        bool contiguous; /* pasid_alloc_many() only: consecutive numbers */
        uint32_t align;  /* pasid_alloc_many() only, with contiguous: the first is a multiple of it; a power of two; 0: any */
};
#define PASID_ALLOC_OPTIONS_INIT { sizeof(struct pasid_alloc_options), NULL, false, false, 0 }

/*
 * One PASID, or count of them (all or none), from min..max (both included) of
 * the consumer's range; 0, 0: from all of it; min = max: that number. A freed
 * number comes back as late as possible; if one in the range is free, it is
 * found. When this returns 0 the allocation is in the daemon's table.
 * private_data: private_size bytes to be kept with each number, 0 to
 * PASID_PRIVATE_MAX; NULL if private_size is 0; read by owner and root only.
 * options: NULL for the defaults. count: 1..PASID_MAX. ret_pasids: room for
 * count numbers, filled in ascending order for contiguous ones.
 * EDOM min > max, or a bound outside PASID_MIN..PASID_MAX; ERANGE outside the
 * consumer's range; ENOSPC none free, or too few; EADDRINUSE the one number
 * asked for is taken; EAGAIN only numbers that cool down are left (the sentence
 * says until when); EDQUOT the consumer's or the uid's limit; EMSGSIZE
 * private_size; ESRCH no such consumer; EFBIG the table's file system is full;
 * EINVAL count, token or align, or the token was used for another count;
 * EOPNOTSUPP attach; with attach also EPROTOTYPE the consumer is not mediated,
 * EBUSY a device is in reset, ENXIO it is gone; any call.
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
 * first where the daemon attached it. In advisory mode, detach it first.
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

/* Strings are never NULL, but "" where there is nothing to say. */
struct pasid_device {
        size_t size;
        const char *address; /* "0000:01:00.0" */
        const char *name;    /* vendor and device */
        const char *driver;
        const char *cdev;    /* the VFIO character device */
        const char *reason;  /* why PASIDs cannot be used here, and the mend */
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

enum pasid_event_type {
        PASID_EVENT_ALLOCATED = 1,
        PASID_EVENT_FREED,            /* the end of its holding, even if it cools first */
        PASID_EVENT_CONSUMER_ADDED,
        PASID_EVENT_CONSUMER_REMOVED,
        PASID_EVENT_RESTARTED,        /* the daemon restarted on the message bus: events may be missing, list anew */
        PASID_EVENT_OVERFLOW          /* 65536 events waited for pasid_client_process() and were dropped: list anew */
};
struct pasid_event {
        size_t size;
        enum pasid_event_type type;
        uid_t uid;            /* the consumer's owner, and its name; PASID_UID_SELF and NULL with the last two */
        const char *consumer;
        uint32_t pasid;       /* ALLOCATED and FREED; else 0 */
        const char *reason;   /* FREED: "freed", "exit", "holder-gone", "device-gone" or another word; else NULL */
};
/* 0, or a negative errno that pasid_client_process() is to return. */
typedef int (*pasid_event_cb)(const struct pasid_event *event, void *userdata);

/*
 * From now on pasid_client_process() calls back for each allocation, end of an
 * allocation, and consumer that comes or goes, on the whole host, after it is
 * in the table. A second call replaces callback and userdata. Newer types may
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
};
#define PASID_STATUS_INIT { sizeof(struct pasid_status), NULL, 0, 0, NULL, NULL }

/*
 * The daemon's status. ret: to be set to PASID_STATUS_INIT before; its strings
 * are the client's, never NULL, valid until the next call of this function or
 * the client's end. Any call. Since 0.1.
 */
int pasid_get_status(struct pasid_client *client, struct pasid_status *ret);

#ifdef __cplusplus
}
#endif

#endif
