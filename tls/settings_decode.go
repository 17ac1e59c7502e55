package tls

import (
	"crypto/tls"
	"slices"
	"strings"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/tls/cert"
)

// decode reads sub, the `tls { }` of cs.
func (p *plan) decode(cs, sub *conf.Section, role frio.Role, kind frio.Kind) conf.Errors {
	p.role, p.kind, p.section = role, kind, sub
	var k keys
	errs := mistakesOf(sub, sub.Decode(&k))
	d := decoding{plan: p, cs: cs, sub: sub, k: &k, errs: errs}
	d.legacy()
	d.certificates()
	d.trust()
	d.names()
	d.match()
	d.protocol()
	d.rest()
	p.broken = len(d.errs) > 0
	return d.errs
}

// decoding is a plan in the making.
type decoding struct {
	*plan
	cs, sub *conf.Section
	k       *keys
	errs    conf.Errors
}

func (d *decoding) fail(at *conf.Pair, format string, args ...any) {
	d.errs = append(d.errs, at.Errorf(at.Name+": "+format, args...))
}

func (d *decoding) failSection(at *conf.Section, format string, args ...any) {
	d.errs = append(d.errs, at.Errorf(at.Name+": "+format, args...))
}

func (d *decoding) note(at *conf.Pair, format string, args ...any) {
	d.plan.notes = append(d.plan.notes, at.Errorf("note: "+at.Name+" "+format, args...))
}

func (d *decoding) warn(at *conf.Pair, format string, args ...any) {
	d.plan.notes = append(d.plan.notes, at.Errorf("warning: "+at.Name+": "+format, args...))
}

// wrong tells whether one of the keys was given and could not be decoded: it was reported already.
func (d *decoding) wrong(decoded bool, name string) bool {
	return !decoded && len(d.sub.Pairs(name)) > 0
}

func (d *decoding) certificates() {
	k := d.k
	top := chain{k.chainKeys, d.sub}
	switch {
	case k.CertificateFile != nil:
		d.chains = append(d.chains, top)
	case d.wrong(false, "certificate_file"):
	case k.PrivateKeyFile != nil:
		d.fail(k.PrivateKeyFile.at, "needs certificate_file")
	case k.PrivateKeyPassword != nil && k.RealmDir == nil:
		d.fail(k.PrivateKeyPassword.at, "needs private_key_file")
	}
	for _, sub := range k.Chains {
		c := chain{section: sub}
		d.errs = append(d.errs, mistakesOf(sub, sub.Decode(&c.chainKeys))...)
		if c.CertificateFile != nil {
			d.chains = append(d.chains, c)
		} else if len(sub.Pairs("certificate_file")) == 0 {
			d.failSection(sub, "certificate_file is missing")
		}
	}
	if k.RealmDir != nil {
		if d.role == frio.Client {
			d.fail(k.RealmDir.at, "is for a listen: a client shows its certificate whatever the name")
		} else {
			d.realmDir, d.realmPwd = k.RealmDir, k.PrivateKeyPassword
		}
	}
	given := k.CertificateFile != nil || len(k.Chains) > 0 || k.RealmDir != nil
	if d.role == frio.Server && !given && !d.wrong(false, "certificate_file") && !d.wrong(false, "realm_dir") {
		d.failSection(d.sub, "certificate_file is missing")
	}
}

func (d *decoding) trust() {
	k := d.k
	d.caFiles, d.caPaths, d.crlFiles = k.CAFile, k.CAPath, k.CRLFile
	hasCA := len(d.sub.Pairs("ca_file")) > 0 || len(d.sub.Pairs("ca_path")) > 0
	asks := true // whether this side gets to see certificates
	if d.role == frio.Server {
		if hasCA {
			d.clientAuth = tls.RequireAndVerifyClientCert
		}
		if r := k.RequireClientCert; r != nil {
			d.clientAuth = r.auth
			if r.auth != tls.NoClientCert && !hasCA {
				d.fail(r.at, "needs ca_file or ca_path, with the CAs that clients' certificates are checked by")
			}
		}
		asks = d.clientAuth != tls.NoClientCert || d.wrong(k.RequireClientCert != nil, "require_client_cert")
	} else if r := k.RequireClientCert; r != nil {
		d.note(r.at, "has no effect in a %s: a server always has to show a certificate", d.cs.Name)
	}
	d.depth = -1
	if k.VerifyDepth != nil {
		if d.depth = k.VerifyDepth.most; d.depth >= 0 && !asks {
			d.useless(k.VerifyDepth.at)
		}
	}
	if k.CheckCRL.is() {
		d.checkCRL = k.CheckCRL.at
		if !asks {
			d.useless(k.CheckCRL.at)
		}
	}
	d.checkAllCRL, d.allowExpired = k.CheckAllCRL.is(), k.AllowExpiredCRL.is()
	if d.checkCRL == nil && !d.wrong(k.CheckCRL != nil, "check_crl") {
		for _, y := range []*yesNo{k.CheckAllCRL, k.AllowExpiredCRL} {
			if y.is() {
				d.fail(y.at, "needs check_crl = yes")
			}
		}
		for _, f := range k.CRLFile {
			d.fail(f.at, "needs check_crl = yes")
		}
	}
	if d.checkCRL != nil && d.allowExpired {
		d.warn(k.AllowExpiredCRL.at, "a certificate that was revoked after the last CRL, or whose issuer has no CRL here, is accepted")
	}
}

// useless reports a key about peers' certificates where peers show none.
func (d *decoding) useless(at *conf.Pair) {
	d.fail(at, "has no effect: no certificate is asked of clients (ca_file, require_client_cert)")
}

// match reads `certificate { }`, which says more of a peer's certificate than its name.
func (d *decoding) match() {
	at := d.sub.Sections("certificate")
	m, errs, warnings := cert.Read(d.sub)
	d.plan.match, d.errs, d.plan.notes = m, append(d.errs, errs...), append(d.plan.notes, warnings...)
	if m != nil && d.role == frio.Server && d.clientAuth == tls.NoClientCert && !d.wrong(d.k.RequireClientCert != nil, "require_client_cert") {
		d.failSection(at[0], "has no effect: no certificate is asked of clients (ca_file, require_client_cert)")
	}
}

// names decides what the peer has to be called, and what name a client asks for.
func (d *decoding) names() {
	k := d.k
	asks := d.role == frio.Client || d.clientAuth != tls.NoClientCert || d.wrong(k.RequireClientCert != nil, "require_client_cert")
	off := false
	for _, p := range k.CheckCertName {
		yes, isBool := boolOf(p.Value)
		switch {
		case isBool && len(k.CheckCertName) > 1:
			d.fail(p, "%s and names exclude each other", p.Value)
			continue
		case isBool && yes && d.role == frio.Server:
			d.fail(p, "yes is for a home_server; in a listen write the names that clients may have")
			continue
		case isBool:
			off = !yes
			continue
		case !asks:
			d.useless(p)
			continue
		}
		n, wrong := parseName(p.Value)
		if wrong != "" {
			d.fail(p, "%s", wrong)
			continue
		}
		d.plan.names = append(d.plan.names, n)
	}
	for _, p := range k.CheckCertCN {
		switch {
		case strings.Contains(p.Value, "%{"):
			d.fail(p, "an expansion has no value here: nothing was received yet")
		case p.Value == "":
			d.fail(p, "is empty")
		case !asks:
			d.useless(p)
		default:
			d.cns = append(d.cns, p.Value)
		}
	}
	if d.role == frio.Server {
		if k.Hostname != nil {
			d.fail(k.Hostname, "is for a home_server; certificates are chosen by their names, or by realm_dir")
		}
		return
	}
	d.peerName(off)
}

// peerName finds the one name that a client asks for and checks: `hostname`, else what ipaddr says.
func (d *decoding) peerName(off bool) {
	listed := len(d.k.CheckCertName) > 0 && !d.hasBool()
	d.ownNames = off || listed
	at, text := d.k.Hostname, ""
	if at != nil {
		text = at.Value
	} else if t := targetOf(d.cs); len(t.hosts) == 1 {
		at, text = t.at, t.hosts[0]
	} else if !d.ownNames && len(t.hosts) > 1 {
		d.failSection(d.sub, "hostname is missing: with several addresses, whose name is to be checked?")
		return
	}
	if text != "" || d.k.Hostname != nil {
		n, wrong := parseName(text)
		switch {
		case wrong != "" && at != d.k.Hostname: // the method below reports it
		case wrong != "":
			d.fail(at, "%s", wrong)
		case n.kind == uriName || n.kind == wildName:
			d.fail(at, "%s is no host (check_cert_name takes such names)", n)
		default:
			d.serverName = n.text
			if !d.ownNames {
				d.plan.names = []certName{n}
			}
		}
	} else if !d.ownNames && !d.wrong(d.k.Hostname != nil, "hostname") {
		d.failSection(d.sub, "hostname is missing: no name of the server is known to check its certificate by")
	}
	if off && len(d.sub.Sections("certificate")) == 0 {
		d.warn(d.k.CheckCertName[0], "any certificate of the CA is taken for the server's")
	}
}

func (d *decoding) hasBool() bool {
	return slices.ContainsFunc(d.k.CheckCertName, func(p *conf.Pair) bool { _, ok := boolOf(p.Value); return ok })
}

// protocol reads versions, suites, curves and ALPN.
func (d *decoding) protocol() {
	k := d.k
	d.minVersion, d.maxVersion = tls.VersionTLS12, 0
	if k.MinVersion != nil && k.MinVersion.id != 0 {
		d.minVersion = k.MinVersion.id
	}
	if k.MaxVersion != nil && k.MaxVersion.id != 0 {
		if d.maxVersion = k.MaxVersion.id; d.maxVersion < d.minVersion {
			d.fail(k.MaxVersion.at, "1.2 is below tls_min_version, which is 1.3")
		}
	}
	if d.kind == frio.Datagram && d.minVersion > tls.VersionTLS12 {
		d.fail(k.MinVersion.at, "over datagrams there is DTLS 1.2 only, which counts as 1.2")
	}
	var errs conf.Errors
	d.suitesAt = k.CipherList
	d.suites, errs = parseSuites(k.CipherList)
	d.errs = append(d.errs, errs...)
	if k.CipherList != nil && len(errs) == 0 && strings.Contains(k.CipherList.Value, securityLevel) {
		d.note(k.CipherList, "has no effect here as to %s: crypto/tls has no levels", strings.TrimSuffix(securityLevel, "="))
	}
	if d.datagramSuites = forEngine(d.suites); len(errs) == 0 && d.suites != nil {
		switch {
		case d.kind == frio.Datagram && len(d.datagramSuites) == 0:
			d.fail(k.CipherList, "none of these is a suite of DTLS here; there are %s", suitesText(forEngine(allSuites())))
		case d.kind == frio.Stream && d.minVersion > tls.VersionTLS12:
			d.fail(k.CipherList, "has no effect with tls_min_version 1.3, whose suites are always on")
		}
	}
	curvesAt := k.Curves
	if curvesAt == nil {
		curvesAt = k.ECDHCurve
	} else if k.ECDHCurve != nil {
		d.fail(k.ECDHCurve, "the same as curves, which is given at %v", k.Curves.Pos)
	}
	d.curves, errs = parseCurves(curvesAt)
	d.errs = append(d.errs, errs...)
	d.datagramCurves = curvesForEngine(d.curves)
	if d.kind == frio.Datagram && len(errs) == 0 && d.curves != nil && len(d.datagramCurves) == 0 {
		d.fail(curvesAt, "over datagrams there are X25519 and prime256v1 only")
	}
	for _, p := range k.ALPN {
		switch {
		case p.Value == "" || len(p.Value) > 255:
			d.fail(p, "%d bytes are not 1 to 255 (RFC 7301, Section 3.1)", len(p.Value))
		case slices.Contains(d.alpn, p.Value):
			d.fail(p, "`%s` is given already", p.Value)
		default:
			d.alpn = append(d.alpn, p.Value)
		}
	}
}

func allSuites() []uint16 {
	var ids []uint16
	for _, s := range suiteNames {
		ids = append(ids, s.id)
	}
	return ids
}

// rest reads resumption, key log and reload.
func (d *decoding) rest() {
	d.cache, d.cacheLifetime = true, defaultCacheLifetime
	if sub := d.k.Cache; sub != nil {
		d.cacheSection(sub)
	}
	if f := d.k.KeylogFile; f != nil {
		d.keylogFile = f.path
		if wrong := cannotAppend(f.path); wrong != "" {
			d.fail(f.at, "%s: %s", f.path, wrong)
		}
		d.warn(f.at, "whoever reads this file reads all traffic: for debugging only")
	}
	if d.reloadInterval = d.k.ReloadInterval; d.reloadInterval > 0 && d.reloadInterval < time.Second {
		d.fail(d.sub.Pairs("ca_path_reload_interval")[0], "%v is below 1s", d.reloadInterval)
	}
}

// cacheSection reads `cache { }`. FreeRADIUS counts a bare lifetime in hours.
func (d *decoding) cacheSection(sub *conf.Section) {
	c := cacheKeys{Enable: true}
	d.errs = append(d.errs, mistakesOf(sub, sub.Decode(&c))...)
	d.noted(sub, "name", "max_entries", "persist_dir", "virtual_server", "tlsv13_sessions")
	for _, store := range sub.TakeSections("store") {
		store.TakeAll()
		d.plan.notes = append(d.plan.notes, store.Errorf("note: store has no effect here: tickets hold what is resumed"))
	}
	d.cache = c.Enable
	if c.Lifetime == nil {
		return
	}
	limit := time.Duration(maxCacheLifetime)
	if d.kind == frio.Datagram {
		limit = defaultCacheLifetime
	}
	life, ok := parseLifetime(c.Lifetime.Value)
	switch {
	case !ok:
		d.fail(c.Lifetime, "`%s` is not a time; a bare number counts hours", c.Lifetime.Value)
	case life < time.Minute || life > limit:
		d.fail(c.Lifetime, "%s is not within 1m and %dh", c.Lifetime.Value, limit/time.Hour)
	default:
		d.cacheLifetime = life
	}
}
