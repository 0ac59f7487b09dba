ours=(os/net/lwip/lwipopts.h os/net/lwip/arch/cc.h os/net/lwip/arch/hooks.h)
recipe() {
	headers . "$top/os/net/lwip/lwipopts.h"
	headers arch "$top"/os/net/lwip/arch/*.h
	archive lwip "-fno-strict-aliasing -I$out/include -Isrc/include" src/core/*.c src/core/ipv4/*.c \
		src/core/ipv6/*.c src/netif/ethernet.c
	headers . src/include/lwip src/include/netif
}
