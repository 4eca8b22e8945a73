# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Tenants a, b and c, each a process that does what it is asked; on top of
# tap.sh and kit.sh.

# The file descriptors to and from a tenant
# shellcheck disable=SC2034 # by name
to_a=5 from_a=6 to_b=7 from_b=8 to_c=9 from_c=4

# shellcheck disable=SC2034
AGREES="pasidd's table agrees with the kernel."

# TENANT [COMMAND...]: starts it, as that command or as "tenant"; its process is $tenant_TENANT
start_tenant() {
        tenant_name=$1
        shift
        [ $# -gt 0 ] || set -- tenant
        mkfifo "/run/tenant.$tenant_name.in" "/run/tenant.$tenant_name.out"
        # Without the others' pipes: they would not see their end.
        "$@" <"/run/tenant.$tenant_name.in" >"/run/tenant.$tenant_name.out" 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
        eval "tenant_$tenant_name=$!"
        eval "exec $(eval "echo \$to_$tenant_name")>/run/tenant.$tenant_name.in $(eval "echo \$from_$tenant_name")</run/tenant.$tenant_name.out"
        rm "/run/tenant.$tenant_name.in" "/run/tenant.$tenant_name.out"
}

# TENANT COMMAND...: its answer is $answer
ask() {
        ask_name=$1
        shift
        eval "echo \"\$*\" >&\$to_$ask_name; read -r answer <&\$from_$ask_name" || answer="error EPIPE the tenant is gone"
}

# TENANT [SIGNAL]: as it goes by itself, or by a signal
end_tenant() {
        [ -z "${2-}" ] || eval "kill -s $2 \$tenant_$1"
        eval "exec $(eval "echo \$to_$1")>&- $(eval "echo \$from_$1")<&-"
        eval "wait \$tenant_$1" 2>/dev/null
        true
}

# WHAT EXPECTED TENANT COMMAND...: asks, and compares what follows "ok" or the errno after "error"
expect() {
        expect_what=$1 expect_wanted=$2
        shift 2
        ask "$@"
        case $answer in
        "error "*) expect_got="error $(echo "$answer" | cut -d' ' -f2)" ;;
        *) expect_got=$answer ;;
        esac
        if [ "$expect_got" = "$expect_wanted" ]; then
                tap_ok "$expect_what"
        else
                tap_not_ok "$expect_what" "$(printf 'expected: %s\nanswer: %s' "$expect_wanted" "$answer")"
        fi
}

# WHAT EXPECTED DEVICE PASID read IOVA LENGTH | ... write IOVA TEXT: one transfer; "fault" stands for any
transfer() {
        transfer_what=$1 transfer_wanted=$2
        shift 2
        transfer_got=$(dma "$@")
        case $transfer_wanted in
        fault) transfer_got=${transfer_got%% *} ;;
        esac
        tap_equal "$transfer_what" "$transfer_wanted" "$transfer_got"
}

# WHAT DEVICE PASID IOVA yes|no: whether they have a page there for it
page_in_iommu() {
        page_got=no
        ! iommu_table "$2" "$3" | grep -qE "^0x0*$(printf %x $(($4 >> 12))) " || page_got=yes
        tap_equal "$1" "$5" "$page_got"
}

# WHAT DEVICE PASID yes|no: whether the IOMMU's own tables have the number
in_iommu() {
        in_iommu_got=no
        [ -z "$(iommu_table "$2" "$3")" ] || in_iommu_got=yes
        tap_equal "$1" "$4" "$in_iommu_got"
}
