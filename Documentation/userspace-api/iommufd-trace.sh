# SPDX-License-Identifier: GPL-2.0
cd /sys/kernel/tracing/events/iommufd
# what is refused to anybody, and why
echo 1 > iommufd_refused/enable
# the same, only what lacks memory
echo 'error == 12' > iommufd_refused/filter
echo 1 > iommufd_refused/enable
# keep what led to it: nothing more is told after the first of these
echo 'traceoff if error == 12' > iommufd_refused/trigger
echo 1 > enable
# maps of more than 1 GiB
echo 'length > 0x40000000' > iommufd_map/filter
echo 1 > iommufd_map/enable
# what became of an IOVA: put into a page table, and taken out
for e in fill clear; do
	echo 'iova <= 0x1234000 && last >= 0x1234000' > iommufd_$e/filter
	echo 1 > iommufd_$e/enable
done
# memory that is pinned page by page
echo 'pages < 8' > iommufd_pin/filter
echo 1 > iommufd_pin/enable
# what a single thread does
echo 'common_pid == 812' > filter
echo 1 > enable
# who detaches a device, by the stack of the kernel
echo stacktrace > iommufd_detach/trigger
echo 1 > iommufd_detach/enable
# page requests that the kernel had to answer itself, and events that were lost
echo 'rc != 0' > iommufd_fault/filter
echo 1 > iommufd_fault/enable
echo 1 > iommufd_event_lost/enable
# who has mapped how often, of what is in the buffer
awk '/iommufd_map:/ { n[$1]++ } END { for (p in n) print n[p], p }' ../../trace
# and the reading
cat ../../trace_pipe
