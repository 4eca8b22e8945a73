/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes what takes apart a name from outside: object paths, consumers' names,
 * tokens and PCI addresses. What is accepted must be of one spelling only, and
 * come back as it was when it is written again.
 */
#include <stdlib.h>
#include <string.h>

#include "bus/path.h"
#include "core/core-internal.h"
#include "fuzz.h"
#include "internal/pci-address.h"

static void check_path(const char *path) {
        _cleanup_free_ char *name = NULL, *name_path = NULL, *address = NULL, *address_path = NULL;
        uid_t uid;
        int r;

        r = path_to_consumer(path, &uid, &name);
        if (r > 0) {
                fuzz_check(path_of_consumer(uid, name, &name_path) >= 0, "there is no path of \"%s\"", name);
                fuzz_check(strcmp(name_path, path) == 0, "%s and %s are one consumer", path, name_path);
        }
        r = path_to_device(path, &address);
        if (r > 0) {
                fuzz_check(path_of_device(address, &address_path) >= 0, "there is no path of \"%s\"", address);
                fuzz_check(strcmp(address_path, path) == 0, "%s and %s are one device", path, address_path);
        }
}

static void check_name(const char *name) {
        _cleanup_free_ char *path = NULL, *again = NULL;
        struct refusal refusal = {};
        uid_t uid = 0;
        int r = consumer_name_check(name, &refusal);

        if (r < 0) {
                fuzz_check(refusal.code == -r && refusal.text[0] != '\0', "a name is refused with %d without a word", r);
                return;
        }
        fuzz_check(path_of_consumer(UINT32_MAX, name, &path) >= 0, "a good name has no path");
        fuzz_check(strlen(path) < CONSUMER_PATH_MAX, "the path of a good name has %zu bytes", strlen(path));
        fuzz_check(path_to_consumer(path, &uid, &again) > 0, "the path of a good name is none");
        fuzz_check(uid == UINT32_MAX && strcmp(again, name) == 0, "a good name came back as another");
}

static void check_token(const char *token) {
        struct refusal refusal = {};
        int r = token_check(token, &refusal);

        fuzz_check(r == 0 || (refusal.code == -r && refusal.text[0] != '\0'), "a token is refused with %d without a word", r);
}

static void check_address(const char *text) {
        struct pci_address address, again;
        char canonical[PCI_ADDRESS_MAX], twice[PCI_ADDRESS_MAX];

        if (pci_address_parse(text, &address) < 0)
                return;
        (void) pci_address_format(&address, canonical);
        fuzz_check(pci_address_parse(canonical, &again) == 0, "%s is none any more", canonical);
        fuzz_check(strcmp(pci_address_format(&again, twice), canonical) == 0 && again.domain == address.domain,
                   "%s is another address than %s", canonical, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct input in = { data, size };
        _cleanup_free_ char *text = input_text(&in, size);

        check_path(text);
        check_name(text);
        check_token(text);
        check_address(text);
        return 0;
}
