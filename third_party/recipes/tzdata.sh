# All zones as one table in the image (its layout stands in pack-zones); zic comes with the host's C library.
ours=(third_party/tzdata/pack-zones)
recipe() {
	PATH=$PATH:/usr/sbin zic -b slim -d zones africa antarctica asia australasia etcetera europe factory northamerica \
		southamerica backward
	"$here/tzdata/pack-zones" zones >zones.bin
	cat >tzdata.S <<-END
		.section .rodata.tzdata, "a"
		.globl tzdata, tzdata_end
		.balign 8
		tzdata: .incbin "zones.bin"
		tzdata_end:
		.section .note.GNU-stack, "", @progbits
	END
	archive tzdata "" tzdata.S
	cat >tzdata.h <<-END
		/* Made by third_party/tzdata/pack-zones, which states the layout. */
		extern const unsigned char tzdata[], tzdata_end[];
	END
	headers . tzdata.h
}
