"""Who may use a runner, and when: slots, tickets and leases."""

from gateway.admission.base import Admission, Lease, Ticket
from gateway.admission.local import LocalGate
from gateway.admission.shared import SharedGate

__all__ = ["Admission", "Lease", "LocalGate", "SharedGate", "Ticket"]
