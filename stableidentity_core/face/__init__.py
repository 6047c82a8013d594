from .align import Alignment, align_face
from .candidates_preview import draw_candidates
from .choose import FaceRule, choose_face
from .detect import Candidate, Detections, FaceDetector, detect_faces
from .parsers import FaceParser, load_parser
from .photo import photo_of_image, read_mask, read_photo
from .portrait import Face, FaceFeature, portrait
from .retinaface import RetinaFaceDetector, RetinaFaceKind, load_retinaface

__all__ = [
    "Alignment",
    "Candidate",
    "Detections",
    "Face",
    "FaceDetector",
    "FaceFeature",
    "FaceParser",
    "FaceRule",
    "RetinaFaceDetector",
    "RetinaFaceKind",
    "align_face",
    "choose_face",
    "detect_faces",
    "draw_candidates",
    "load_parser",
    "load_retinaface",
    "photo_of_image",
    "portrait",
    "read_mask",
    "read_photo",
]
