/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * WHY_ROW(CODE, name, sentence, advice) for each reason of <linux/iommufd.h>. In the
 * texts {0} to {3} are the numbers of the reason: {0} in hexadecimal digits, {0d}
 * in decimal ones, {0b} a number of bytes, {0p} a number of pages, {0c} a
 * capability, {0l} a limit in pages; {over} is how much {0} and {1} together are
 * more than {2}, all in pages. No advice is "". scripts/check-reasons compares
 * names and numbers with those of the kernel.
 */
WHY_ROW(ELSEWHERE, "elsewhere",
	"somebody else refused it: the driver of an IOMMU or of the device, memory management or a file system",
	"the kernel's log may say more")
WHY_ROW(NO_MEMORY, "no-memory",
	"the kernel has no memory for it, or the memory cgroup may have no more",
	"does max grow in memory.events of the cgroup?")
WHY_ROW(SIGNAL, "signal", "a signal has ended a wait", "")
WHY_ROW(USER_MEMORY, "user-memory",
	"what the call points to cannot be read or written",
	"check the pointers in the structure of the call")
WHY_ROW(COMMAND, "command", "there is no such ioctl",
	"the program may be made for a newer kernel")
WHY_ROW(SHORT_STRUCT, "short-struct",
	"the structure has {0d} bytes, and the first version of it {1d}",
	"set its size, to sizeof() of that structure")
WHY_ROW(LONG_STRUCT, "long-struct",
	"something is set behind byte {1d} of the structure, where this kernel knows nothing (it has {0d} bytes)",
	"clear the structure first, or use a newer kernel")
WHY_ROW(FLAGS, "flags", "flags are set that are unknown, or not for this: {0}",
	"leave these flags out, or use a newer kernel")
WHY_ROW(RESERVED_FIELD, "reserved-field",
	"a field that has to be 0 is {0}", "clear the structure first")
WHY_ROW(OPERATION, "operation",
	"operation, option or type {0d} is unknown", "")
WHY_ROW(NO_OBJECT, "no-object", "there is no object {0d}",
	"IDs belong to the file: is it another one, or was the object destroyed?")
WHY_ROW(OBJECT_TYPE, "object-type", "object {0d} is of another type", "")
WHY_ROW(OBJECT_IN_USE, "object-in-use",
	"object {0d} is in use, {1d} times, or belongs to a driver",
	"detach devices first, close the file of a queue, destroy what depends on it")
WHY_ROW(PRIVILEGE, "privilege", "the caller lacks {0c}", "")
WHY_ROW(ADDRESS, "address",
	"address {0} or length {1} is higher than all that there are", "")
WHY_ROW(EMPTY_RANGE, "empty-range", "the range at {0} is empty", "")
WHY_ROW(RANGE_END, "range-end",
	"{1} bytes from {0} end behind the last address", "")
WHY_ROW(RECORDER_LENGTH, "recorder-length",
	"{0d} records are to be kept, and a file keeps at most {1d}",
	"ask for fewer")

WHY_ROW(NO_ACCESS, "no-access", "neither reading nor writing is to be allowed",
	"set IOMMU_IOAS_MAP_READABLE, IOMMU_IOAS_MAP_WRITEABLE or both")
WHY_ROW(LENGTH, "length", "a length of {0} bytes is none that can be mapped", "")
WHY_ROW(IOVA_ALIGNMENT, "iova-alignment",
	"IOVA {0} or length {1} is not a multiple of {2}, as the page tables need it",
	"IOMMU_IOAS_IOVA_RANGES tells the alignment")
WHY_ROW(OFFSET_ALIGNMENT, "offset-alignment",
	"the memory begins {0} bytes into its page, which is not a multiple of {1}",
	"align the memory as the IOVA is")
WHY_ROW(IOVA_RESERVED, "iova-reserved",
	"IOVA {0}-{1} is not for maps: {2}-{3} is reserved, or not allowed",
	"ask IOMMU_IOAS_IOVA_RANGES what is left, or let the kernel choose")
WHY_ROW(IOVA_TAKEN, "iova-taken",
	"at IOVA {0}-{1} something is mapped already: {2}-{3}",
	"unmap that first, or let the kernel choose the IOVA")
WHY_ROW(IOVA_LENGTH, "iova-length", "there is no IOVA for {0b}", "")
WHY_ROW(IOVA_FULL, "iova-full",
	"no hole is large enough for {0b} at a multiple of {1}",
	"unmap something, or use a second IOAS")
WHY_ROW(MEMORY, "memory",
	"there is no memory at address {0}, or none for such an access ({1d} pages were wanted from there)",
	"is it mapped, and writeable? A range of a BAR has to be in one mapping")
WHY_ROW(PROCESS_GONE, "process-gone",
	"the process to which the memory belonged has ended",
	"map files (IOMMU_IOAS_MAP_FILE) to outlive it")
WHY_ROW(MEMLOCK, "memlock",
	"{0p} are to be pinned; {1p} are already, and the limit of locked memory is {2l}",
	"raise the limit by {over}: ulimit -l, prlimit --memlock, LimitMEMLOCK=")
WHY_ROW(FILE_DESCRIPTOR, "file-descriptor", "file descriptor {0d} is not open", "")
WHY_ROW(FILE_KIND, "file-kind",
	"the file is neither in memory, as a memfd is, nor a dma-buf",
	"map the mapping of the file instead, by IOMMU_IOAS_MAP")
WHY_ROW(FILE_RANGE, "file-range",
	"the file does not reach as far as {1d} pages from byte {0}",
	"make the file as long as what is mapped, by ftruncate()")
WHY_ROW(FILE_READ, "file-read", "the file is not open for reading",
	"open it with O_RDWR, or O_RDONLY")
WHY_ROW(FILE_WRITE, "file-write", "the file is not open for writing",
	"open it with O_RDWR, or map it without IOMMU_IOAS_MAP_WRITEABLE")
WHY_ROW(FILE_SEALED, "file-sealed", "the file is sealed against writing (seals {0})",
	"map it without IOMMU_IOAS_MAP_WRITEABLE")
WHY_ROW(DMABUF_ACCESS, "dmabuf-access",
	"the dma-buf is not open for such an access",
	"export it with O_RDWR")
WHY_ROW(DMABUF_RANGE, "dmabuf-range",
	"{1} bytes at {0} are not in the dma-buf, which has {2}", "")
WHY_ROW(DMABUF_KIND, "dmabuf-kind",
	"who made the dma-buf does not say where its memory is: it cannot be taken back from devices",
	"vfio-pci, udmabuf and the system heap export dma-bufs that can be mapped")
WHY_ROW(DMABUF_ADDRESS, "dmabuf-address",
	"the memory of the dma-buf is at too high an address", "")

WHY_ROW(COPY_HOLE, "copy-hole",
	"of IOVA {0}-{1}, which is to be copied, {2} is not mapped", "")
WHY_ROW(COPY_READ_ONLY, "copy-read-only",
	"the memory at IOVA {0} was mapped for reading, so that no copy can be written to",
	"copy it without IOMMU_IOAS_MAP_WRITEABLE, or map it for writing")
WHY_ROW(UNMAP_PART, "unmap-part",
	"IOVA {0}-{1} cuts {2}-{3}, which was mapped at once",
	"unmap what was mapped as it was mapped, or map it in pieces")
WHY_ROW(UNMAP_NOTHING, "unmap-nothing", "nothing is mapped at IOVA {0}-{1}",
	"is it the right IOAS? It may be unmapped already")
WHY_ROW(AREA_CHANGING, "area-changing",
	"another thread is mapping or unmapping IOVA {0}-{1}", "try again")
WHY_ROW(AREA_LOCKED, "area-locked",
	"the queue of a virtual IOMMU is at IOVA {0}-{1}",
	"destroy the queue first")
WHY_ROW(DRIVER_KEEPS, "driver-keeps",
	"a driver has pinned something at IOVA {0}-{1}, and does not unpin it",
	"stop the mediated device first")
WHY_ROW(CUT_ALIGNMENT, "cut-alignment",
	"what is mapped cannot be cut at IOVA {0}, which is not a multiple of {1}", "")
WHY_ROW(CUT_IN_USE, "cut-in-use",
	"what is mapped at IOVA {0}-{1} cannot be cut: it is in use, or in large entries of a page table",
	"map it in pieces of the size that is to be unmapped")
WHY_ROW(CUT_NOTHING, "cut-nothing",
	"there is nothing to unmap when IOVA {0} is cut off", "")
WHY_ROW(ACCESS_HOLE, "access-hole",
	"a driver is to reach IOVA {0}, where nothing is mapped", "")
WHY_ROW(ACCESS_GOING, "access-going",
	"a driver is to reach IOVA {0}, which is being unmapped", "")
WHY_ROW(ACCESS_PAGES, "access-pages",
	"a driver is to reach IOVA {0}, where there are no pages but memory of a device", "")
WHY_ROW(ACCESS_MODE, "access-mode",
	"the map at IOVA {0} does not allow what a driver is to do",
	"map it for writing")
WHY_ROW(RANGES_ROOM, "ranges-room",
	"there are {1d} ranges, and room for {0d}",
	"call again with as much room")
WHY_ROW(ALLOWED_RANGE, "allowed-range",
	"{0}-{1} is no range that can be allowed", "")
WHY_ROW(ALLOWED_TWICE, "allowed-twice",
	"{0}-{1} is allowed twice", "merge the ranges")
WHY_ROW(ALLOWED_RESERVED, "allowed-reserved",
	"{0}-{1} is to be allowed, but a device or its page table cannot have {2}-{3}",
	"leave that out; IOMMU_IOAS_IOVA_RANGES tells what there is")
WHY_ROW(OPTION_VALUE, "option-value", "option {0d} cannot have the value {1d}", "")
WHY_ROW(OPTION_OBJECT, "option-object",
	"option {0d} is one of the file, not of object {1d}",
	"let object_id be 0")
WHY_ROW(HAS_OBJECTS, "has-objects",
	"it can be changed only before there are objects",
	"do it right after /dev/iommu was opened")
WHY_ROW(LARGE_ENTRIES, "large-entries",
	"there are {0d} maps, and page tables may have large entries already",
	"do it before anything is mapped")
WHY_ROW(AREA_ALIGNMENT, "area-alignment",
	"something is mapped that is not aligned to {0}, as is needed now",
	"attach devices before anything is mapped")
WHY_ROW(PROCESS_MEMORY, "process-memory",
	"memory of a process is mapped at IOVA {0}, and stays that process's",
	"map files (IOMMU_IOAS_MAP_FILE) to hand them over")
WHY_ROW(PROCESS_CHARGED, "process-charged",
	"memory of a process is, or is just being, charged", "try again")
WHY_ROW(TAKEN_BACK, "taken-back",
	"the memory at IOVA {0} has been taken back by its owner",
	"the device that it is of was reset, or closed: map it again")
WHY_ROW(NO_IOMMU_TABLE, "no-iommu-table",
	"no device without an IOMMU is attached", "")

WHY_ROW(NOT_COHERENT, "not-coherent",
	"the DMA of the device does not see the caches of CPUs, or there is no IOMMU",
	"is the IOMMU on? intel_iommu=on, and the switch in the firmware")
WHY_ROW(NO_GROUP, "no-group", "the device is in no IOMMU group",
	"is the IOMMU on? intel_iommu=on, and the switch in the firmware")
WHY_ROW(MSI_UNSAFE, "msi-unsafe",
	"the device could raise interrupts of others",
	"switch interrupt remapping on, or set iommufd.allow_unsafe_interrupts")
WHY_ROW(DMA_OWNED, "dma-owned",
	"a driver of the kernel or another user has the device, or one of its group",
	"give all devices of the group to vfio-pci, and close the group's /dev/vfio/N")
WHY_ROW(NO_IOMMU, "no-iommu", "device {0d} has no IOMMU", "")
WHY_ROW(ATTACH_TYPE, "attach-type",
	"object {0d} is none that a device can be attached to",
	"attach it to an IOAS or a page table")
WHY_ROW(ATTACH_DRIVER, "attach-driver",
	"page table {0d} is for another kind of IOMMU",
	"attach the device to the IOAS, or allocate a page table for it")
WHY_ROW(ATTACH_GROUP, "attach-group",
	"the group of the device uses page table {1d}, not {0d}",
	"all devices of a group have one page table: attach to the same")
WHY_ROW(ATTACH_NO_PASIDS, "attach-no-pasids",
	"page table {0d} was not made for use together with PASIDs (PASID {1d})",
	"allocate it with IOMMU_HWPT_ALLOC_PASID, or let the kernel choose the PASID")
WHY_ROW(NOT_ATTACHED, "not-attached",
	"the device is not attached, and so cannot be moved (PASID {0d})", "")
WHY_ROW(HWPT_GOING, "hwpt-going", "page table {0d} is about to vanish",
	"attach to the IOAS again")
WHY_ROW(NO_PASIDS, "no-pasids", "the device has no PASIDs (PASID {0d})", "")
WHY_ROW(PASID_NUMBER, "pasid-number",
	"the device has PASIDs below {1d}, and not {0d}", "")
WHY_ROW(PASID_RANGE, "pasid-range",
	"the lowest PASID that will do, {0d}, is higher than the highest, {1d}", "")
WHY_ROW(MSI_REGIONS, "msi-regions",
	"what the IOMMU driver says of the device's MSIs does not go together ({0d} and {1d} regions)",
	"this is a defect of the IOMMU driver")
WHY_ROW(DEVICE_RANGE_TAKEN, "device-range-taken",
	"the device or its page table cannot have IOVA {0}-{1}, and {2}-{3} is mapped",
	"attach first, ask by IOMMU_IOAS_IOVA_RANGES what is left, then map")
WHY_ROW(DEVICE_RANGE_ALLOWED, "device-range-allowed",
	"the device or its page table cannot have IOVA {0}-{1}, which was allowed",
	"allow less (IOMMU_IOAS_ALLOW_IOVAS), or use another IOAS for the device")
WHY_ROW(PAGE_SIZE, "page-size",
	"the smallest page of the page table, {0b}, is larger than one of the CPU",
	"")
WHY_ROW(VF_FAULTS, "vf-faults",
	"page requests of a virtual function come from its physical one (page table {0d})",
	"use a page table without page requests")
WHY_ROW(ACCESS_ATTACHED, "access-attached", "the driver is attached already", "")
WHY_ROW(ACCESS_NOT_ATTACHED, "access-not-attached", "the driver is not attached", "")
WHY_ROW(ACCESS_LEAVING, "access-leaving", "the driver is just being detached",
	"try again")
WHY_ROW(PASIDS_TAKEN, "pasids-taken", "no PASID from {0d} to {1d} is free", "")
WHY_ROW(ACCESS_ALIGNMENT, "access-alignment",
	"IOVA {0}, which a driver is to pin, is not that of a page", "")

WHY_ROW(DATA_TYPE, "data-type",
	"data without a type, or a type without data (type {0d}, {1d} bytes)", "")
WHY_ROW(NO_FLAGS, "no-flags",
	"the IOMMU driver makes page tables without flags only, and not with {0}",
	"")
WHY_ROW(PARENT_FAULTS, "parent-faults",
	"a page table to nest in cannot have page requests (flags {0})",
	"give the queue to the nested page table")
WHY_ROW(NO_DIRTY, "no-dirty",
	"the IOMMU, or the page table, does not track what is written to",
	"IOMMU_GET_HW_INFO tells whether it can; IOMMU_HWPT_ALLOC_DIRTY_TRACKING asks for it")
WHY_ROW(NO_NESTING, "no-nesting",
	"the IOMMU driver cannot nest, or was given no data for it", "")
WHY_ROW(NOT_PARENT, "not-parent",
	"page table {0d} was not made to nest in, or is for another kind of IOMMU",
	"allocate it with IOMMU_HWPT_ALLOC_NEST_PARENT")
WHY_ROW(VIOMMU_DEVICE, "viommu-device",
	"device {1d} is not behind the IOMMU that virtual IOMMU {0d} stands for",
	"one virtual IOMMU is needed for each IOMMU")
WHY_ROW(HWPT_PARENT, "hwpt-parent",
	"object {0d} is none of what a page table can be made from",
	"name an IOAS, a page table to nest in, or a virtual IOMMU")
WHY_ROW(NO_COHERENCY, "no-coherency",
	"the IOMMU cannot make all DMA of the device coherent, as it promised", "")
WHY_ROW(DIRTY_ALIGNMENT, "dirty-alignment",
	"the range of dirty bits, {1} bytes from {0}, is not aligned as maps are",
	"")
WHY_ROW(DIRTY_PAGE_SIZE, "dirty-page-size",
	"the page size of dirty bits, {0}, is no power of two or does not divide {1} bytes",
	"")
WHY_ROW(DIRTY_BITMAP, "dirty-bitmap",
	"the bitmap of dirty bits has {0} bytes, and {1} are needed", "")
WHY_ROW(INVALIDATE_ARRAY, "invalidate-array",
	"the array of invalidations is missing, or too long ({0d} entries of {1d} bytes)",
	"")
WHY_ROW(INVALIDATE_TYPE, "invalidate-type",
	"object {0d} is none that has a cache of its own",
	"name a nested page table or a virtual IOMMU")
WHY_ROW(NO_INVALIDATE, "no-invalidate",
	"the IOMMU driver takes no invalidations for this", "")

WHY_ROW(QUEUE_RECORDS, "queue-records",
	"{0d} bytes are not whole records of {1d}", "")
WHY_ROW(QUEUE_ROOM, "queue-room",
	"what comes next in the queue has {1d} bytes, and there is room for {0d}",
	"read with a larger buffer")
WHY_ROW(ANSWER_CODE, "answer-code", "code {0d} is no answer", "")
WHY_ROW(ANSWER_COOKIE, "answer-cookie",
	"no page request that was read waits for an answer to {0d}",
	"one answer is for a group; the device may have been detached meanwhile")
WHY_ROW(NO_VIOMMU, "no-viommu",
	"the IOMMU driver has no virtual IOMMU of type {0d}", "")
WHY_ROW(VDEVICE_TWICE, "vdevice-twice",
	"device {0d} is known to a virtual IOMMU already", "")
WHY_ROW(VDEVICE_NUMBER, "vdevice-number",
	"the virtual IOMMU knows another device as {0}", "")
WHY_ROW(VDEVICE_RANGE, "vdevice-range",
	"number {0} is higher than all that there are", "")
WHY_ROW(DEVICE_LEAVING, "device-leaving", "device {0d} is being given back", "")
WHY_ROW(EVENT_QUEUE_TWICE, "event-queue-twice",
	"the virtual IOMMU has a queue for type {0d}", "")
WHY_ROW(EVENT_QUEUES, "event-queues",
	"the virtual IOMMU has {0d} queues, as many as it may have", "")
WHY_ROW(EVENT_DEPTH, "event-depth",
	"a queue for {0d} events cannot be: from 1 to {1d} they can", "")
WHY_ROW(NO_HW_QUEUE, "no-hw-queue",
	"the IOMMU driver has no queue of type {0d}", "")
WHY_ROW(LOCK_MODE, "lock-mode",
	"the memory of a queue, at IOVA {0}, is not both readable and writeable",
	"map it for reading and writing")
WHY_ROW(LOCK_SCATTERED, "lock-scattered",
	"the memory of a queue, at IOVA {0}, is not in one piece",
	"take it from huge pages")
WHY_ROW(LOCKS, "locks",
	"the memory at IOVA {0} has as many queues as it may have", "")
WHY_ROW(MMAP_PRIVATE, "mmap-private",
	"what the file has can be mapped shared only", "use MAP_SHARED")
WHY_ROW(MMAP_EXEC, "mmap-exec", "what the file has cannot be executed",
	"map it without PROT_EXEC")
WHY_ROW(MMAP_RANGE, "mmap-range",
	"the file has nothing of {1} bytes at offset {0}",
	"use offset and length as IOMMU_VIOMMU_ALLOC or IOMMU_HW_QUEUE_ALLOC gave them")

WHY_ROW(NO_VFIO_IOAS, "no-vfio-ioas", "no IOAS stands for the container yet",
	"add a group and set the IOMMU first, or use IOMMU_VFIO_IOAS")
WHY_ROW(VFIO_NO_IOMMU, "vfio-no-iommu",
	"groups without an IOMMU and others cannot be in one container", "")
WHY_ROW(VFIO_TYPE, "vfio-type", "the container cannot be of type {0d}",
	"VFIO_CHECK_EXTENSION tells which types there are")
WHY_ROW(VFIO_FLAGS, "vfio-flags",
	"flags are set that are unknown, or not for this: {0}", "")
WHY_ROW(VFIO_ALIGNMENT, "vfio-alignment",
	"IOVA {0} or length {1} is not aligned",
	"VFIO_IOMMU_GET_INFO tells the page sizes")
WHY_ROW(VFIO_UNMAP_ALL, "vfio-unmap-all",
	"with VFIO_DMA_UNMAP_FLAG_ALL there is no range ({1} bytes from {0})",
	"let IOVA and size be 0")
WHY_ROW(VFIO_NO_DIRTY, "vfio-no-dirty",
	"not all page tables of the container track what is written to", "")
WHY_ROW(VFIO_DIRTY_V1, "vfio-dirty-v1",
	"what is written to is not tracked for VFIO_TYPE1_IOMMU",
	"use VFIO_TYPE1v2_IOMMU")
WHY_ROW(VFIO_DIRTY_OFF, "vfio-dirty-off",
	"tracking of what is written to was not started",
	"use VFIO_IOMMU_DIRTY_PAGES_FLAG_START first")
