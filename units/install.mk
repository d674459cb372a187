# SPDX-License-Identifier: MIT
#
# Where everything goes. Nothing is enabled, started or created on the machine itself: that is a
# package's or `make activate`'s matter.

LIBEXEC  := $(DESTDIR)$(PREFIX)/libexec/plugflash
UNITS    := $(DESTDIR)$(PREFIX)/lib/systemd/system
SHARE    := $(DESTDIR)$(PREFIX)/share

.PHONY: install
install: all
	install -D -m 0755 -t $(LIBEXEC) $(B)/plugflashd $(B)/plugflash-worker $(B)/plugflash-can
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/bin $(B)/plugflash
	install -D -m 0644 -t $(UNITS) units/plugflashd.service units/plugflash-worker.socket \
		units/plugflash-worker@.service \
		units/plugflash-worker-can.socket units/plugflash-worker-can@.service \
		units/plugflash-can@.service
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/lib/systemd/system-preset units/90-plugflash.preset
	install -D -m 0644 units/plugflash.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/plugflash.conf
	install -D -m 0644 units/plugflash.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/plugflash.conf
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/lib/systemd/catalog units/plugflash.catalog
	install -D -m 0644 -t $(SHARE)/dbus-1/system.d units/org.plugflash1.conf
	install -D -m 0644 -t $(SHARE)/dbus-1/system-services units/org.plugflash1.service
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/lib/udev/rules.d rules/*.rules
	install -D -m 0644 -t $(SHARE)/plugflash/policies policies/*.conf
	for directory in units/dropins/*; do \
		install -D -m 0644 -t $(SHARE)/plugflash/dropins/$${directory##*/} $$directory/*.conf; done
	install -D -m 0644 units/plugflash.bash-completion \
		$(SHARE)/bash-completion/completions/plugflash
	for page in units/man/*; do \
		install -D -m 0644 $$page $(SHARE)/man/man$${page##*.}/$${page##*/}; done
	install -d -m 0755 $(DESTDIR)$(PREFIX)/lib/plugflash/policy.d \
		$(DESTDIR)$(SYSCONFDIR)/plugflash/policy.d

# A Debian package, without a source package: units/debian/.
.PHONY: deb
deb: all
	$(Q)rm -rf $(B)/deb && mkdir -p $(B)/deb
	$(Q)$(MAKE) --no-print-directory -s install DESTDIR=$(B)/deb/root >/dev/null
	$(Q)units/debian/build $(B)/deb/root $(VERSION) \
		$(B)/plugflash_$(VERSION)_$$(dpkg --print-architecture).deb

# After `make install` on this very machine: what a package would do when it is set up.
.PHONY: activate
activate:
	systemd-sysusers plugflash.conf
	systemd-tmpfiles --create plugflash.conf
	journalctl --update-catalog
	systemctl daemon-reload
	udevadm control --reload
	udevadm trigger --subsystem-match=usb --subsystem-match=block
	systemctl reload dbus.service
	systemctl enable --now plugflash-worker.socket plugflash-worker-can.socket plugflashd.service

.PHONY: uninstall
uninstall:
	-[ -n "$(DESTDIR)" ] || systemctl disable --now plugflashd.service plugflash-worker.socket plugflash-worker-can.socket
	rm -rf $(LIBEXEC) $(SHARE)/plugflash
	rm -f $(DESTDIR)$(PREFIX)/bin/plugflash \
		$(patsubst units/%,$(UNITS)/%,$(wildcard units/plugflash*.service units/*.socket)) \
		$(DESTDIR)$(PREFIX)/lib/systemd/system-preset/90-plugflash.preset \
		$(DESTDIR)$(PREFIX)/lib/sysusers.d/plugflash.conf \
		$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/plugflash.conf \
		$(DESTDIR)$(PREFIX)/lib/systemd/catalog/plugflash.catalog \
		$(SHARE)/dbus-1/system.d/org.plugflash1.conf \
		$(SHARE)/dbus-1/system-services/org.plugflash1.service \
		$(patsubst rules/%,$(DESTDIR)$(PREFIX)/lib/udev/rules.d/%,$(wildcard rules/*.rules)) \
		$(patsubst units/man/%,$(SHARE)/man/man?/%,$(wildcard units/man/*)) \
		$(SHARE)/bash-completion/completions/plugflash
	@echo "Left behind: $(SYSCONFDIR)/plugflash (policies), /var/lib/plugflash (firmware)."
