"""What the engine does for operators: the methods of the control socket (design section 5).

The command line and the dashboard reach it through the socket; nothing here is called from the copy path.
"""

from supervision.service.desk import ServiceDesk
from supervision.service.methods import make_methods
from supervision.service.observation import Health, Observation, observe

__all__ = ["Health", "Observation", "ServiceDesk", "make_methods", "observe"]
