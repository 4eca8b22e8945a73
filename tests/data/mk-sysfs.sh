#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds a sysfs and procfs of a machine that we don't have, laid out as Linux
# does it: DIR/sys, DIR/proc and an empty DIR/dev, to be given to pasidd as
# --sysfs=DIR/sys --procfs=DIR/proc. Can add to a tree that is there already.
#
#   mk-sysfs.sh DIR           a machine with two usable devices and others that are not, see machine() below
#   mk-sysfs.sh DIR FILE      the machine described in FILE; - for standard input
#
# A description has a line for each thing; # starts a comment.
#   kernel RELEASE [WORD...]  the release, and the words of the kernel command line
#   iommufd                   /dev/iommu is there
#   iommu NAME intel ECAP | iommu NAME amd FEATURES | iommu NAME other
#   device ADDRESS [KEY=VALUE...]
#       id=VENDOR:DEVICE class=CLASS header=0|1     as hexadecimal numbers
#       pasid=WIDTH           a PASID capability of that width, turned on; off=WIDTH: turned off
#       config=BYTES          of configuration space that can be read (default 4096); 64 without privilege
#       driver=NAME group=N iommu=NAME physfn=ADDRESS
#       cdev=N                vfioN with a device node; vfio=N: vfioN without, as without CONFIG_VFIO_DEVICE_CDEV
set -eu

# Vendor 0bad is in no data base of PCI ids, so that names are the same on every host.
machine() {
        cat <<EOF
kernel 6.18.0 quiet intel_iommu=on,sm_on
iommufd
iommu dmar0 intel $ecap_scalable
device 0000:00:00.0 id=0bad:0000 class=060000 group=0 iommu=dmar0
device 0000:00:1c.0 id=0bad:0010 class=060400 header=1 driver=pcieport group=1 iommu=dmar0
# usable, of 20 and of 8 bits
device 0000:01:00.0 id=0bad:0001 class=088000 pasid=20 driver=vfio-pci group=2 iommu=dmar0 cdev=0
device 0000:02:00.0 id=0bad:0002 class=088000 pasid=8 driver=vfio-pci group=3 iommu=dmar0 cdev=1
# unusable: with its own driver, without the capability
device 0000:03:00.0 id=0bad:0003 class=088000 pasid=20 driver=idxd group=4 iommu=dmar0
device 0000:04:00.0 id=0bad:0004 class=020000 driver=vfio-pci group=5 iommu=dmar0 cdev=2
EOF
}

# SMTS (bit 43), PASID (40) and a PSS of 19 (39:35): 20 bits
ecap_scalable=99800f050df

die() {
        echo "mk-sysfs.sh: $*" >&2
        exit 2
}

link() {
        ln -sfn "$1" "$2"
}

put_kernel() {
        mkdir -p "$proc/sys/kernel"
        echo "$1" >"$proc/sys/kernel/osrelease"
        shift
        echo "BOOT_IMAGE=/vmlinuz ro $*" >"$proc/cmdline"
}

put_iommufd() {
        mkdir -p "$sys/devices/virtual/misc/iommu" "$sys/class/misc"
        echo 10:127 >"$sys/devices/virtual/misc/iommu/dev"
        link ../../devices/virtual/misc/iommu "$sys/class/misc/iommu"
}

put_iommu() {
        dir=$sys/devices/virtual/iommu/$1
        mkdir -p "$dir/devices" "$sys/class/iommu"
        link "../../devices/virtual/iommu/$1" "$sys/class/iommu/$1"
        case $2 in
        intel) mkdir -p "$dir/intel-iommu" && echo "$3" >"$dir/intel-iommu/ecap" ;;
        amd) mkdir -p "$dir/amd-iommu" && echo "$3" >"$dir/amd-iommu/features" ;;
        other) ;;
        *) die "unknown kind of IOMMU: $2" ;;
        esac
}

# Bytes for printf's format, from hexadecimal digits.
octal() {
        rest=$1
        while [ -n "$rest" ]; do
                tail=${rest#??}
                # shellcheck disable=SC2059
                printf "\\\\%03o" "0x${rest%"$tail"}"
                rest=$tail
        done
}

nuls() {
        i=0
        while [ $i -lt "$1" ]; do
                printf '\\000'
                i=$((i + 1))
        done
}

# Two bytes as four digits, the lower one first.
swap() {
        printf %s "${1#??}${1%??}"
}

# Header with a capability list (PCIe capability at 40h), and from 100h on ATS and, with a width, PASID.
put_config() {
        id=$1 class=$2 header=$3 width=$4 enabled=$5 size=$6
        format=$(
                octal "$(swap "${id%:*}")$(swap "${id#*:}")"
                octal "0600100000${class#????}$(swap "${class%??}")0000${header}00"
                nuls 36
                octal "40$(printf %022d 0)"
                octal 10000200
        )$zeros$(
                if [ -n "$width" ]; then
                        octal "0f00011100000000"
                        nuls 8
                        octal "1b00010000$(printf %02x "$width")${enabled}00"
                else
                        octal "0f00010000000000"
                fi
        )
        # shellcheck disable=SC2059
        printf "$format" >"$dir/config"
        truncate -s "$size" "$dir/config"
}

put_device() {
        address=$1
        shift
        id=0bad:0000 class=088000 header=00 width='' enabled=01 size=4096 driver='' group='' iommu='' physfn='' cdev='' vfio=''
        for word; do
                value=${word#*=}
                case $word in
                id=*) id=$value ;;
                class=*) class=$value ;;
                header=*) header=0$value ;;
                pasid=*) width=$value ;;
                off=*) width=$value enabled=00 ;;
                config=*) size=$value ;;
                driver=*) driver=$value ;;
                group=*) group=$value ;;
                iommu=*) iommu=$value ;;
                physfn=*) physfn=$value ;;
                cdev=*) cdev=$value ;;
                vfio=*) vfio=$value ;;
                *) die "unknown word: $word" ;;
                esac
        done
        bus=pci${address%%:*}:00
        dir=$sys/devices/$bus/$address
        mkdir -p "$dir" "$sys/bus/pci/devices"
        link "../../../devices/$bus/$address" "$sys/bus/pci/devices/$address"
        echo "0x${id%:*}" >"$dir/vendor"
        echo "0x${id#*:}" >"$dir/device"
        echo "0x$class" >"$dir/class"
        put_config "$id" "$class" "$header" "$width" "$enabled" "$size"
        if [ -n "$driver" ]; then
                mkdir -p "$sys/bus/pci/drivers/$driver"
                link "../../../bus/pci/drivers/$driver" "$dir/driver"
        fi
        if [ -n "$group" ]; then
                mkdir -p "$sys/kernel/iommu_groups/$group/devices"
                link "../../../../devices/$bus/$address" "$sys/kernel/iommu_groups/$group/devices/$address"
                link "../../../kernel/iommu_groups/$group" "$dir/iommu_group"
        fi
        if [ -n "$iommu" ]; then
                link "../../virtual/iommu/$iommu" "$dir/iommu"
        fi
        if [ -n "$physfn" ]; then
                link "../$physfn" "$dir/physfn"
        fi
        if [ -n "$cdev$vfio" ]; then
                mkdir -p "$dir/vfio-dev/vfio$cdev$vfio"
        fi
        if [ -n "$cdev" ]; then
                echo "511:$cdev" >"$dir/vfio-dev/vfio$cdev/dev"
        fi
}

[ $# -eq 1 ] || [ $# -eq 2 ] || die "usage: mk-sysfs.sh DIR [FILE|-]"
sys=$1/sys proc=$1/proc
mkdir -p "$sys" "$proc" "$1/dev"
zeros=$(nuls 188)

if [ $# -eq 1 ]; then
        machine
elif [ "$2" = - ]; then
        cat
else
        cat "$2"
fi | while read -r verb words; do
        # shellcheck disable=SC2086
        case $verb in
        '' | '#'*) ;;
        kernel) put_kernel $words ;;
        iommufd) put_iommufd ;;
        iommu) put_iommu $words ;;
        device) put_device $words ;;
        *) die "unknown line: $verb $words" ;;
        esac
done
