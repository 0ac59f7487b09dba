# The portable code paths only: no assembler variants chosen at run time, so nothing depends on
# which vector registers the platform saves; and what is chosen among one must not be linked for it.
# AES-GCM exists with the processor's instructions alone; it asks for them, and takes SSE registers.
recipe() {
	cd src/libsodium
	sed -e 's/@VERSION@/1.0.18/' -e 's/@SODIUM_LIBRARY_VERSION_MAJOR@/10/' \
		-e 's/@SODIUM_LIBRARY_VERSION_MINOR@/3/' -e '/@SODIUM_LIBRARY_MINIMAL_DEF@/d' \
		include/sodium/version.h.in >include/sodium/version.h
	sed -i '/^ *_crypto_[a-z0-9_]*_pick_best_implementation();$/d' sodium/core.c
	[ "$(grep -c pick_best sodium/core.c)" = 0 ]
	local def="-DCONFIGURED=1 -DDEV_MODE=0 -DSODIUM_STATIC -DNATIVE_LITTLE_ENDIAN=1 -DHAVE_TI_MODE=1
		-DHAVE_WEAK_SYMBOLS=1 -DCPU_UNALIGNED_ACCESS=1 -DHAVE_ATOMIC_OPS=1 -DHAVE_SYS_MMAN_H=1
		-DHAVE_SYS_RANDOM_H=1 -DHAVE_GETRANDOM=1 -DHAVE_EXPLICIT_BZERO=1 -DHAVE_NANOSLEEP=1
		-DHAVE_POSIX_MEMALIGN=1 -DHAVE_CPUID=1 -DHAVE_TMMINTRIN_H=1 -DHAVE_WMMINTRIN_H=1"
	archive sodium "${def//[$'\n\t']/ } -Iinclude/sodium -Iinclude" $(find * -name '*.c' | sort)
	headers . include/sodium.h
	headers sodium include/sodium/*.h
}
