"""What is wrong with a photo, in plain sentences."""

from .assess import assess
from .evidence import Evidence
from .pose import HeadPose, head_pose
from .report import Finding, QualityReport, report_text, require_good

__all__ = ["Evidence", "Finding", "HeadPose", "QualityReport", "assess", "head_pose", "report_text", "require_good"]
