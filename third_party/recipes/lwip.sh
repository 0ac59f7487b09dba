ours=(os/net/lwip/lwipopts.h os/net/lwip/arch/cc.h os/net/lwip/arch/hooks.h)
# A segment that was kept until what is missing before it comes may end behind the window (seen
# on a wire that loses, doubles and swaps): lwIP asserts, and the machine would end. What is
# kept so far is let go instead; the peer sends it again.
recipe() {
	sed -i 's/^\( *\)pcb->rcv_nxt += TCP_TCPLEN(cseg);$/\1if (pcb->rcv_wnd < TCP_TCPLEN(cseg)) {\n\1  tcp_free_ooseq(pcb);\n\1  break;\n\1}\n&/' src/core/tcp_in.c
	[ "$(grep -c 'rcv_wnd < TCP_TCPLEN(cseg)' src/core/tcp_in.c)" = 1 ]
	headers . "$top/os/net/lwip/lwipopts.h"
	headers arch "$top"/os/net/lwip/arch/*.h
	archive lwip "-fno-strict-aliasing -I$out/include -Isrc/include" src/core/*.c src/core/ipv4/*.c \
		src/core/ipv6/*.c src/netif/ethernet.c
	headers . src/include/lwip src/include/netif
}
