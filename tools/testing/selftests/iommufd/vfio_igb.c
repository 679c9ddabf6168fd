// SPDX-License-Identifier: GPL-2.0-only
/*
 * One queue each for sending and receiving, in loopback, without interrupts.
 * Register and descriptor layouts are those of the 82576's datasheet.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/io.h>
#include <asm/barrier.h>

#include "vfio_igb.h"

#define REG_CTRL 0x0000
#define CTRL_FD BIT(0)
#define CTRL_SLU BIT(6)
#define CTRL_SPEED_1000 BIT(9)
#define CTRL_FRCSPD BIT(11)
#define CTRL_FRCDPX BIT(12)
#define REG_STATUS 0x0008
#define STATUS_LINK_UP BIT(1)
#define REG_CTRL_EXT 0x0018
#define CTRL_EXT_DRIVER_LOADED BIT(28)
#define REG_MDIC 0x0020
#define MDIC_REGISTER_SHIFT 16
#define MDIC_PHY BIT(21)
#define MDIC_WRITE BIT(26)
#define MDIC_READY BIT(28)
#define MDIC_ERROR BIT(30)
#define REG_IMC 0x00d8

#define REG_RCTL 0x0100
#define RCTL_ENABLE BIT(1)
#define RCTL_ALL_UNICAST BIT(3)
#define RCTL_ALL_MULTICAST BIT(4)
#define RCTL_MAC_LOOPBACK BIT(6)
#define RCTL_BROADCAST BIT(15)
#define RCTL_STRIP_CRC BIT(26)
#define REG_TCTL 0x0400
#define TCTL_ENABLE BIT(1)
#define TCTL_PAD BIT(3)

#define REG_RDBAL 0xc000
#define REG_RDBAH 0xc004
#define REG_RDLEN 0xc008
#define REG_SRRCTL 0xc00c
#define SRRCTL_ONE_BUFFER BIT(25)
#define REG_RDH 0xc010
#define REG_RDT 0xc018
#define REG_RXDCTL 0xc028
#define REG_TDBAL 0xe000
#define REG_TDBAH 0xe004
#define REG_TDLEN 0xe008
#define REG_TDH 0xe010
#define REG_TDT 0xe018
#define REG_TXDCTL 0xe028
#define QUEUE_ENABLE BIT(25)

#define PHY_CONTROL 0
#define PHY_FULL_DUPLEX BIT(8)
#define PHY_RESTART BIT(9)
#define PHY_AUTONEG BIT(12)
#define PHY_SPEED_1000 BIT(6)
#define PHY_LOOPBACK BIT(14)

/* the length of a ring in bytes must be a multiple of 128 */
#define RING_SLOTS 64
#define RX_RING_OFFSET (RING_SLOTS * sizeof(struct descriptor))

#define TX_FCS BIT(25)
#define TX_END_OF_FRAME BIT(24)
#define TX_DATA GENMASK(21, 20)
#define TX_ADVANCED BIT(29)
#define TX_PAYLOAD_SHIFT 14
#define RX_DONE BIT(0)

#define POLL_US 1000
#define LINK_TIMEOUT_US 5000000
#define COPY_TIMEOUT_US 300000

/* Both kinds are two words long, and used as four halves at times. */
struct descriptor {
	union {
		__u64 address;
		struct {
			__u32 info;
			__u32 hash;
		};
	};
	union {
		struct {
			__u32 command;
			__u32 payload;
		};
		struct {
			__u32 status;
			__u16 length;
			__u16 vlan;
		};
	};
};

static __u32 read_reg(struct igb *igb, unsigned int reg)
{
	return readl(igb->dev->bar0 + reg);
}

static void write_reg(struct igb *igb, unsigned int reg, __u32 value)
{
	writel(value, igb->dev->bar0 + reg);
}

/* Waits until all @bits of a register are set. */
static int wait_for(struct igb *igb, unsigned int reg, __u32 bits)
{
	unsigned int waited;

	for (waited = 0; waited < LINK_TIMEOUT_US; waited += POLL_US) {
		if ((read_reg(igb, reg) & bits) == bits)
			return 0;
		usleep(POLL_US);
	}
	return -ETIMEDOUT;
}

static int write_phy(struct igb *igb, unsigned int reg, __u16 value)
{
	int rc;

	write_reg(igb, REG_MDIC, MDIC_WRITE | MDIC_PHY |
		  reg << MDIC_REGISTER_SHIFT | value);
	rc = wait_for(igb, REG_MDIC, MDIC_READY);
	if (rc)
		return rc;
	return read_reg(igb, REG_MDIC) & MDIC_ERROR ? -EIO : 0;
}

/*
 * The hardware's loopback is in its PHY, QEMU's is in its MAC (see RCTL) and
 * opens only once negotiation has brought the link up. Ask for both.
 */
static int start_link(struct igb *igb)
{
	int rc;

	rc = write_phy(igb, PHY_CONTROL, PHY_AUTONEG | PHY_RESTART);
	if (rc)
		return rc;
	/* without a cable there is none: then the forced one below counts */
	wait_for(igb, REG_STATUS, STATUS_LINK_UP);
	rc = write_phy(igb, PHY_CONTROL,
		       PHY_LOOPBACK | PHY_SPEED_1000 | PHY_FULL_DUPLEX);
	if (rc)
		return rc;
	write_reg(igb, REG_CTRL, CTRL_FD | CTRL_SLU | CTRL_SPEED_1000 |
		  CTRL_FRCSPD | CTRL_FRCDPX);
	return wait_for(igb, REG_STATUS, STATUS_LINK_UP);
}

static int start_queues(struct igb *igb)
{
	__u64 tx = igb->rings_iova, rx = igb->rings_iova + RX_RING_OFFSET;
	__u32 bytes = RING_SLOTS * sizeof(struct descriptor);
	int rc;

	write_reg(igb, REG_TDBAL, tx);
	write_reg(igb, REG_TDBAH, tx >> 32);
	write_reg(igb, REG_TDLEN, bytes);
	write_reg(igb, REG_TDH, 0);
	write_reg(igb, REG_TDT, 0);
	write_reg(igb, REG_TXDCTL, QUEUE_ENABLE);

	write_reg(igb, REG_RDBAL, rx);
	write_reg(igb, REG_RDBAH, rx >> 32);
	write_reg(igb, REG_RDLEN, bytes);
	write_reg(igb, REG_RDH, 0);
	write_reg(igb, REG_RDT, 0);
	write_reg(igb, REG_SRRCTL, SRRCTL_ONE_BUFFER);
	write_reg(igb, REG_RXDCTL, QUEUE_ENABLE);

	write_reg(igb, REG_RCTL, RCTL_ENABLE | RCTL_ALL_UNICAST |
		  RCTL_ALL_MULTICAST | RCTL_BROADCAST | RCTL_MAC_LOOPBACK |
		  RCTL_STRIP_CRC);
	write_reg(igb, REG_TCTL, TCTL_ENABLE | TCTL_PAD);
	rc = wait_for(igb, REG_RXDCTL, QUEUE_ENABLE);
	return rc ? rc : wait_for(igb, REG_TXDCTL, QUEUE_ENABLE);
}

int igb_setup(struct vfio_dev *dev, int iommufd)
{
	return vfio_setup(dev, IGB_VENDOR, IGB_DEVICE, iommufd);
}

int igb_start(struct igb *igb, struct vfio_dev *dev, void *rings,
	      __u64 rings_iova)
{
	int rc;

	*igb = (struct igb){
		.dev = dev,
		.rings = rings,
		.rings_iova = rings_iova,
	};
	memset(rings, 0, IGB_RING_BYTES);
	rc = vfio_reset(dev);
	if (rc)
		return rc;
	write_reg(igb, REG_IMC, ~0U);
	write_reg(igb, REG_CTRL_EXT, CTRL_EXT_DRIVER_LOADED);
	rc = start_link(igb);
	return rc ? rc : start_queues(igb);
}

void igb_stop(struct igb *igb)
{
	write_reg(igb, REG_RCTL, 0);
	write_reg(igb, REG_TCTL, 0);
	vfio_reset(igb->dev);
}

int igb_copy(struct igb *igb, __u64 dst, __u64 src, size_t length)
{
	unsigned int slot = igb->sent % RING_SLOTS;
	unsigned int next = (slot + 1) % RING_SLOTS;
	struct descriptor *tx = (struct descriptor *)igb->rings + slot;
	struct descriptor *rx = tx + RING_SLOTS;
	unsigned int waited;

	if (length < IGB_FRAME_MIN || length > IGB_FRAME_MAX)
		return -EINVAL;
	*rx = (struct descriptor){ .address = dst };
	*tx = (struct descriptor){
		.address = src,
		.command = length | TX_DATA | TX_ADVANCED | TX_FCS |
			   TX_END_OF_FRAME,
		.payload = length << TX_PAYLOAD_SHIFT,
	};
	igb->sent++;
	write_reg(igb, REG_RDT, next);
	write_reg(igb, REG_TDT, next);

	for (waited = 0; waited < COPY_TIMEOUT_US; waited += POLL_US) {
		if (READ_ONCE(rx->status) & RX_DONE) {
			/* what else the device wrote is read after that */
			rmb();
			return rx->length == length ? 0 : -EIO;
		}
		usleep(POLL_US);
	}
	return -ETIMEDOUT;
}
