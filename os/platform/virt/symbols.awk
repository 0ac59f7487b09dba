# SPDX-License-Identifier: ISC
# nm -n --defined-only IMAGE | awk -f symbols.awk > symbols.S
# The functions of an image, for its own backtraces: steps between addresses, and names.
BEGIN {
	print "\t.section .symbols, \"a\"\n\t.globl symbols\nsymbols:"
	last = "0"
}
$2 ~ /^[tTwW]$/ && $3 !~ /^\./ && $1 != last {
	print "\t.uleb128 0x" $1 " - 0x" last "\n\t.asciz \"" $3 "\""
	last = $1
}
END {
	print "\t.byte 0\n\t.section .note.GNU-stack, \"\", @progbits"
}
