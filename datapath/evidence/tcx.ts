/**
 * For an agent's perl: lists the programs that the kernel has attached by TCX, a JSON object a line. bpftool before 7.4 does
 * not know TCX, and asks nothing about it. A link that is still pinned may be detached; the kernel's own answer is what counts.
 * The kernel writes to the end of its `query` (64 bytes, revision last), whatever size it was given.
 * Sources: include/uapi/linux/bpf.h (BPF_PROG_QUERY, BPF_PROG_GET_FD_BY_ID, BPF_OBJ_GET_INFO_BY_FD, struct bpf_prog_info).
 */
export const LIST_TCX = `
use strict;
use POSIX ();
my $nr = { x86_64 => 321, aarch64 => 280 }->{ (split ' ', \`uname -m\`)[0] } or exit 0;
sub bpf { return syscall $nr, $_[0], $_[1], length $_[1] }
# of its own: perl shares constants, and the kernel writes into it
sub buffer { my ($size) = @_; return "\\0" x $size }
sub name_of {
    my ($id) = @_;
    my $attr = pack 'LLL', $id, 0, 0;
    my $fd = bpf(13, $attr);
    return '' if $fd < 0;
    my $info = buffer(80);
    $attr = pack 'LLP', $fd, length $info, $info;
    my $failed = bpf(15, $attr) < 0;
    POSIX::close($fd);
    return $failed ? '' : unpack 'x64Z16', $info;
}
for my $device (map { s|.*/||r } glob '/sys/class/net/*') {
    open my $file, '<', "/sys/class/net/$device/ifindex" or next;
    chomp(my $index = <$file>);
    for ([ 46, 'tcx/ingress' ], [ 47, 'tcx/egress' ]) {
        my ($type, $kind) = @$_;
        my $ids = buffer(256);
        my $attr = pack 'LLLLPLLQQQQ', $index, $type, 0, 0, $ids, 64, 0, 0, 0, 0, 0;
        next if bpf(16, $attr) < 0;
        my $count = unpack 'x24L', $attr;
        for my $id (unpack "L$count", $ids) {
            my $name = name_of($id) || "program $id";
            print qq({"devname":"$device","kind":"$kind","name":"$name"}\\n);
        }
    }
}`;
