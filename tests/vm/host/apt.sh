# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian packages of other releases than the machine's own, from the mirror that
# the machine uses, in an apt state of its own: nothing of the machine's apt
# changes, and nothing is installed. Needs no root. Read by tests/vm/run, which
# has set $store.

debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Prints the address of the Debian mirror that the machine's own apt uses.
debian_mirror() {
        local codename

        codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME-}")
        # shellcheck disable=SC2016
        # Reads one-line and deb822 sources alike.
        apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(CODENAME) $(COMPONENT)' 'Identifier: Packages' |
                awk -v codename="$codename" '
                        !mirror && $NF == "main" && ($2 == codename || $3 == codename) { mirror = $1 }
                        END { print mirror; exit !mirror }' ||
                die "apt has no Debian mirror for \"$codename\" in its sources"
}

# SUITE...: makes or renews an apt state that knows these suites alone, prints its directory
apt_state() {
        local dir=$store/apt-$1${2+-$2} conf mirror suite

        conf=$dir/apt.conf
        # Old lists are as good as new ones, as long as the mirror has what they name: a build per month is enough.
        if [[ -e $dir/updated && -n $(find "$dir/updated" -mtime -30) && -z ${apt_renew:-} ]]; then
                printf '%s\n' "$dir"
                return
        fi
        [[ -e $debian_keyring ]] || die "$debian_keyring is missing (Debian: debian-archive-keyring)"
        mirror=$(debian_mirror)
        mkdir -p "$dir"/{lists/partial,archives/partial,empty}
        : >"$dir/status"
        for suite; do
                printf 'deb [signed-by=%s] %s %s main\n' "$debian_keyring" "$mirror" "$suite"
        done >"$dir/sources.list"
        # How the mirror is reached (proxies and such) is the machine's affair; nothing else of its settings is.
        apt-config dump | grep -E '^Acquire::(http|https|Retries|ForceIPv[46])' >"$dir/acquire.conf" || true
        {
                cat "$dir/acquire.conf" - <<CONF
Dir::Etc::main "/dev/null";
Dir::Etc::parts "$dir/empty";
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "$dir/empty";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "$dir/empty";
Dir::State "$dir";
Dir::State::lists "$dir/lists";
Dir::State::status "$dir/status";
Dir::Cache "$dir";
Dir::Cache::archives "$dir/archives";
Dir::Log "$dir";
Acquire::Languages "none";
Acquire::GzipIndexes "true";
APT::Sandbox::User "";
APT::Install-Recommends "false";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
Debug::NoLocking "true";
CONF
        } >"$conf"
        # A suite that the mirror doesn't offer is missed where something of it is wanted.
        APT_CONFIG=$conf apt-get -q update >"$dir/update.log" 2>&1 || true
        [[ -n $(find "$dir/lists" -maxdepth 1 -name '*_Packages*' -print -quit) ]] ||
                die "apt-get update got no lists from $mirror: $(tail -n 3 "$dir/update.log")"
        touch "$dir/updated"
        printf '%s\n' "$dir"
}

# STATE SUITE PATTERN: prints "name version" of each package of that suite whose name matches
suite_packages() {
        local file

        # shellcheck disable=SC2016
        APT_CONFIG=$1/apt.conf apt-get indextargets --format '$(FILENAME)' 'Identifier: Packages' "Codename: $2" |
                while read -r file; do
                        /usr/lib/apt/apt-helper cat-file "$file"
                done |
                awk -v pattern="$3" '
                        $1 == "Package:" { name = $2 }
                        $1 == "Version:" && name ~ pattern { print name, $2 }'
}

# STATE DIRECTORY PACKAGE[=VERSION]: downloads it there
fetch_package() {
        (cd "$2" && APT_CONFIG=$1/apt.conf apt-get -q download "$3")
}

# STATE DIRECTORY ARGUMENT...: extracts packages and all that they depend on there, as "apt-get install ARGUMENT..." chooses them
extract_packages() {
        local state=$1 dir=$2 deb

        shift 2
        rm -f "$state"/archives/*.deb
        APT_CONFIG=$state/apt.conf apt-get -q -y --download-only install "$@"
        for deb in "$state"/archives/*.deb; do
                dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$dir" --exclude='./usr/share/doc/*' \
                        --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*'
        done
        rm -f "$state"/archives/*.deb
}
