# SPDX-License-Identifier: GPL-2.0-or-later
# Makes the list of all methods from the interface in XML: the number of the
# interface, the member and the signature of its arguments.
function value(name) {
        return match($0, name "=\"[^\"]*\"") ? substr($0, RSTART + length(name) + 2, RLENGTH - length(name) - 3) : ""
}
function settle() {
        if (member != "")
                printf "{ FUZZ_%s, \"%s\", \"%s\" },\n", toupper(interface), member, signature
        member = signature = ""
}
/<interface / { settle(); interface = value("name"); sub(/.*\./, "", interface) }
/<method / { settle(); member = value("name") }
/<signal |<property / { settle() }
/<arg / && member != "" && value("direction") == "in" { signature = signature value("type") }
END { settle() }
