# Compression and crc32 alone, and of compression levels the first, which the store asks for (the others, 14 kB, do as it does).
# Quick code also in an image: compressing is most of what a delivery costs.
recipe() {
	sed -i 's/^#define SUPPORT_NEAR_OPTIMAL_PARSING.*/#define SUPPORT_NEAR_OPTIMAL_PARSING 0/' lib/deflate_compress.c
	sed -i -E 's/(c->impl = deflate_compress_)(greedy|lazy2?);/\1fastest;/' lib/deflate_compress.c
	[ "$(grep -c 'impl = deflate_compress_fastest;' lib/deflate_compress.c)" = 9 ]
	# Of crc32 the way in SSE registers (no wider ones: see libsodium.sh), and, where the processor lacks it,
	# the one of a single table: eight take 8 kB.
	sed -i 's/define DEFAULT_IMPL crc32_slice8/define DEFAULT_IMPL crc32_slice1/' lib/crc32.c
	grep -q 'DEFAULT_IMPL crc32_slice1' lib/crc32.c
	sed -i '/define crc32_x86_pclmulqdq_avx/,/include "crc32_pclmul_template.h"/d' lib/x86/crc32_impl.h
	[ "$(grep -c '^#  include "crc32_pclmul_template.h"' lib/x86/crc32_impl.h)" = 4 ]
	archive deflate "-I. -O2 -DLIBDEFLATE_ASSEMBLER_DOES_NOT_SUPPORT_VPCLMULQDQ" lib/deflate_compress.c lib/utils.c \
		lib/crc32.c lib/x86/cpu_features.c
	headers . libdeflate.h
}
