# musl as it is, less its assembler with `syscall` instructions (for which its C fallbacks stand), and
# with os/libc/syscall_arch.h in place of its own: system calls are calls (see there).
ours=(os/libc/syscall_arch.h)
recipe() {
	local inc=$out/include f base
	mkdir -p "$inc/bits" gen
	cp -r include/. arch/generic/bits "$inc/"
	cp arch/x86_64/bits/*.h "$inc/bits/"
	rm -f "$inc"/*.in "$inc"/bits/*.in
	sed -f tools/mkalltypes.sed arch/x86_64/bits/alltypes.h.in include/alltypes.h.in >"$inc/bits/alltypes.h"
	{ cat arch/x86_64/bits/syscall.h.in; sed -n 's/__NR_/SYS_/p' arch/x86_64/bits/syscall.h.in; } >"$inc/bits/syscall.h"
	echo '#define VERSION "1.2.5"' >gen/version.h
	cp "$top/os/libc/syscall_arch.h" arch/x86_64/syscall_arch.h
	grep -l syscall src/*/x86_64/*.[sS] | xargs rm
	rm src/thread/__syscall_cp.c src/ldso/x86_64/*.[sS] src/ldso/*.c

	local plain=() nossp=()
	for f in src/*/*.c src/malloc/mallocng/*.c; do
		base=${f%.c}
		set -- "${base%/*}/x86_64/${base##*/}".[csS]
		case $f in
		src/malloc/mallocng/*) ;;
		*) for g in "$@"; do if [ -e "$g" ]; then f=$g; fi; done ;;
		esac
		case ${base##*/} in
		__libc_start_main | __init_tls | __stack_chk_fail | __set_thread_area | memset | memcpy) nossp+=("$f") ;;
		*) plain+=("$f") ;;
		esac
	done
	for f in src/*/x86_64/*.[csS]; do # files that exist for this machine only
		base=${f%.*}
		if [ ! -e "${base%/x86_64/*}/${base##*/}.c" ]; then plain+=("$f"); fi
	done
	local c="-std=c99 -ffreestanding -nostdinc -D_XOPEN_SOURCE=700 -Iarch/x86_64 -Iarch/generic -Igen
		-Isrc/include -Isrc/internal -I$inc -fexcess-precision=standard -frounding-math -fno-strict-aliasing
		-fno-tree-loop-distribute-patterns"
	c=${c//[$'\n\t']/ }
	archive c "$c" "${plain[@]}"
	archive c "$c -fno-stack-protector" "${nossp[@]}"
}
