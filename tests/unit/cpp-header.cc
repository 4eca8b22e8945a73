// SPDX-License-Identifier: GPL-2.0-or-later
// The public header alone, as C++, linked: compiling is the test.
#include <pasid/pasid.h>

int main() {
        pasid_client_options client_options = PASID_CLIENT_OPTIONS_INIT;
        pasid_consumer_options consumer_options = PASID_CONSUMER_OPTIONS_INIT;
        pasid_alloc_options alloc_options = PASID_ALLOC_OPTIONS_INIT;
        pasid_mapping mapping = PASID_MAPPING_INIT;
        pasid_info info = PASID_INFO_INIT;
        pasid_status status = PASID_STATUS_INIT;
        unsigned flags = PASID_MAP_READ | PASID_MAP_WRITE | PASID_MAP_FIXED;

        return client_options.size > 0 && consumer_options.size > 0 && alloc_options.size > 0 && mapping.size > 0 && info.size > 0 &&
               status.size > 0 && flags == 7 && pasid_vfio_free(nullptr) == nullptr && pasid_client_free(NULL) == NULL ? 0 : 1;
}
