"""A throwaway directory for the tests: Debian's slapd on loopback, with a few people and groups."""

from __future__ import annotations

import ipaddress
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ldap
import ldap.modlist
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.live import free_port, wait_for

BASE = "dc=example,dc=com"
PEOPLE = f"ou=people,{BASE}"
GROUPS = f"ou=groups,{BASE}"
MANAGER = f"cn=manager,{BASE}"
MANAGER_PASSWORD = "the manager's password"
SCHEMAS = Path("/etc/ldap/schema")

_CONFIGURATION = """
include {schemas}/core.schema
include {schemas}/cosine.schema
include {schemas}/nis.schema
include {schemas}/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
TLSCertificateFile {folder}/certificate.pem
TLSCertificateKeyFile {folder}/key.pem
database mdb
suffix "{base}"
rootdn "{manager}"
rootpw "{password}"
directory {folder}/db
# As in a directory that is looked after: passwords are for nobody, strangers see nothing.
access to attrs=userPassword by anonymous auth by * none
access to * by users read by * none
"""


def find_slapd() -> str | None:
    """The program, also where it is not on the PATH of an ordinary user."""
    return shutil.which("slapd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


class Directory:
    """A running slapd: `with Directory(folder) as directory: …`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.tls_port = free_port(), free_port()
        self.uri = f"ldap://127.0.0.1:{self.port}"
        self.tls_uri = f"ldaps://127.0.0.1:{self.tls_port}"
        self.ca_file = folder / "certificate.pem"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Directory:
        (self.folder / "db").mkdir()
        _make_certificate(self.folder)
        text = _CONFIGURATION.format(
            schemas=SCHEMAS,
            folder=self.folder,
            base=BASE,
            manager=MANAGER,
            password=MANAGER_PASSWORD,
        )
        (self.folder / "slapd.conf").write_text(text)
        self.start()
        self._fill()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        command = [find_slapd() or "slapd", "-f", str(self.folder / "slapd.conf")]
        command += ["-h", f"{self.uri} {self.tls_uri}", "-d", "0"]
        self._process = subprocess.Popen(command)
        wait_for(self._answers, seconds=30, what="slapd")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
            self._process = None

    def _answers(self) -> bool:
        try:
            self.manager().unbind_s()
        except ldap.SERVER_DOWN:
            return False
        return True

    def manager(self) -> ldap.ldapobject.LDAPObject:
        """A connection that may change everything."""
        connection = ldap.initialize(self.uri)
        connection.simple_bind_s(MANAGER, MANAGER_PASSWORD)
        return connection

    def add(self, dn: str, entry: Mapping[str, str | list[str]]) -> None:
        values = {
            name: [v.encode() for v in ([value] if isinstance(value, str) else value)]
            for name, value in entry.items()
        }
        self.manager().add_s(dn, ldap.modlist.addModlist(values))

    def add_person(self, uid: str, password: str, **more: str) -> str:
        """Their distinguished name."""
        dn = f"uid={ldap.dn.escape_dn_chars(uid)},{PEOPLE}"
        entry = {"objectClass": "inetOrgPerson", "cn": uid, "sn": uid, "userPassword": password}
        self.add(dn, {**entry, **more})
        return dn

    def replace(self, dn: str, attribute: str, *values: str) -> None:
        change = (ldap.MOD_REPLACE, attribute, [value.encode() for value in values])
        self.manager().modify_s(dn, [change])

    def _fill(self) -> None:
        self.add(BASE, {"objectClass": ["dcObject", "organization"], "o": "Example"})
        for dn in (PEOPLE, GROUPS):
            self.add(dn, {"objectClass": "organizationalUnit"})


def _make_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(pem)
