"""Who may use a runner, and when: slots, tickets and leases."""

from gateway.admission.base import Admission, Lease, Ticket
from gateway.admission.local import LocalGate

__all__ = ["Admission", "Lease", "LocalGate", "Ticket"]
