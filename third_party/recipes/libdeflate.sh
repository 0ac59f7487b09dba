# Compression alone, and of its levels the first, which the store asks for (the others, 14 kB, do as it does).
# Quick code also in an image: compressing is most of what a delivery costs.
recipe() {
	sed -i 's/^#define SUPPORT_NEAR_OPTIMAL_PARSING.*/#define SUPPORT_NEAR_OPTIMAL_PARSING 0/' lib/deflate_compress.c
	sed -i -E 's/(c->impl = deflate_compress_)(greedy|lazy2?);/\1fastest;/' lib/deflate_compress.c
	[ "$(grep -c 'impl = deflate_compress_fastest;' lib/deflate_compress.c)" = 9 ]
	archive deflate "-I. -O2" lib/deflate_compress.c lib/utils.c
	headers . libdeflate.h
}
